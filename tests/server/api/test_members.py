"""Teams are let in, given other roles and put out by programs."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from pipelines.audit.models import Act
from pipelines.projects.models import Project, Role
from tests.factories import make_person, make_project
from tests.server.api.stand import bearing, token_of

pytestmark = pytest.mark.django_db

MEMBERS = "/api/v1/projects/shop/members"


@pytest.fixture
def project() -> Project:
    return make_project("shop")


@pytest.fixture
def owner(project: Project) -> Client:
    return bearing(token_of(make_person("ada", project, Role.OWNER)), REMOTE_ADDR="203.0.113.7")


def send(client: Client, method: str, path: str, **body: Any) -> Any:
    return client.generic(method, path, json.dumps(body), "application/json")


def test_a_team_is_let_in_promoted_and_put_out(owner: Client) -> None:
    bob = make_person("bob")
    bob.groups.add(Group.objects.create(name="newcomers"))
    assert "newcomers" in [team["name"] for team in owner.get("/api/v1/projects/shop/teams").json()["items"]]
    made = send(owner, "POST", MEMBERS, team="newcomers", role="viewer").json()
    assert (made["team"], made["role"], made["people"]) == ("newcomers", "viewer", ["bob"])
    told = send(owner, "PATCH", f"{MEMBERS}/{made['id']}", role="maintainer").json()
    assert told["role"] == "maintainer"
    assert len(owner.get(MEMBERS).json()["items"]) == 2
    assert owner.delete(f"{MEMBERS}/{made['id']}").status_code == 204
    assert len(owner.get(MEMBERS).json()["items"]) == 1
    acts = Act.objects.filter(subject="newcomers in shop").order_by("pk")
    assert [act.verb for act in acts] == ["let a team in", "changed a team's role", "put a team out"]
    assert {act.facts["address"] for act in acts} == {"203.0.113.7"}


def test_the_last_team_of_owners_stays_what_it_is(owner: Client, project: Project) -> None:
    member = project.members.get().pk
    answers = [send(owner, "PATCH", f"{MEMBERS}/{member}", role="viewer"), owner.delete(f"{MEMBERS}/{member}")]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert "the last team that owns" in answers[0].json()["detail"]


def test_a_team_that_is_in_already_or_is_none_is_refused(owner: Client, project: Project) -> None:
    for team in (project.members.get().team.name, "nobody"):
        assert send(owner, "POST", MEMBERS, team=team).status_code == 409


def test_a_member_of_another_project_is_out_of_reach(owner: Client) -> None:
    make_person("bob", other := make_project("other"), Role.VIEWER)
    assert owner.delete(f"{MEMBERS}/{other.members.get().pk}").status_code == 404
