"""A project is added and set up by a program as it is on the pages."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from pipelines.audit.models import Act
from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.projects.models import Project, Role, SpecSource
from tests.factories import make_operator, make_person, make_project
from tests.server.api.stand import bearing, token_of
from tests.server.web.test_project_setup import KEY, scanned

pytestmark = pytest.mark.django_db

URL = "https://git.example.org/shop.git"


def send(client: Client, method: str, path: str, **body: Any) -> Any:
    return client.generic(method, f"/api/v1/{path}", json.dumps(body), "application/json")


@pytest.fixture
def owner() -> Client:
    return bearing(token_of(make_person("ada", make_project("shop", clone_url=URL), Role.OWNER)))


def test_a_project_is_added_for_a_team_and_its_webhook_s_secret_told_once(operator: Client) -> None:
    Group.objects.create(name="shop")
    made = send(operator, "POST", "projects", name="shop", clone_url=URL, team="shop", token="a token of the code host")
    assert made.status_code == 201, made.json()
    project = Project.objects.get(name="shop")
    assert made.json()["webhook_secret"] == project.webhook_secret
    assert made.json()["repository"]["status"] == "queued"
    assert (project.members.get().team.name, project.members.get().role) == ("shop", Role.OWNER)
    assert project.code_host_token == "a token of the code host"
    told = operator.get("/api/v1/projects/shop/setup").content.decode()
    assert project.webhook_secret not in told
    assert "a token of the code host" not in made.content.decode() + told
    assert json.loads(told)["has_token"] is True
    assert [act.verb for act in Act.objects.filter(subject="project shop")] == ["added"]


def test_a_project_is_added_for_a_new_team_with_whoever_asks_in_it() -> None:
    ada = make_operator("ada")
    made = send(bearing(token_of(ada)), "POST", "projects", name="shop", clone_url=URL, new_team="shoppers")
    assert made.status_code == 201, made.json()
    assert list(ada.groups.values_list("name", flat=True)) == ["shoppers"]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"name": "add"}, "name"),
        ({"name": "no name"}, "body.name"),
        ({"clone_url": "ftp://git.example.org/shop"}, "clone_url"),
        ({"clone_url": "https://ana:pass@git.example.org/shop"}, "clone_url"),
        ({"team": "nobody"}, None),
        ({"team": "a", "new_team": "b"}, None),
    ],
)
def test_what_cannot_be_a_project_is_told_by_its_place(
    operator: Client, changed: dict[str, str], where: str | None
) -> None:
    answer = send(operator, "POST", "projects", **{"name": "shop", "clone_url": URL, **changed})
    assert answer.status_code == 422
    assert [fault["where"] for fault in answer.json()["errors"]] == ([where] if where else [])
    assert not Project.objects.exists()


def test_a_token_of_one_project_adds_no_other() -> None:
    ada, shop = make_operator(), make_project("shop")
    _, text = tokens.personal(ada, "bound", list(Scope), None, project=shop, by="test")
    assert send(bearing(text), "POST", "projects", name="other", clone_url=URL).status_code == 403


def test_a_default_branch_and_a_token_are_changed_and_the_repository_is_read(owner: Client) -> None:
    told = send(owner, "PATCH", "projects/shop", default_branch="trunk", token="another token").json()
    assert (told["default_branch"], told["has_token"], told["repository"]["status"]) == ("trunk", True, "queued")
    assert send(owner, "PATCH", "projects/shop", token="").json()["has_token"] is False
    assert Project.objects.get().default_branch == "trunk"


def test_a_bad_branch_changes_nothing_at_all(owner: Client) -> None:
    answer = send(owner, "PATCH", "projects/shop", default_branch=" ", token="another token")
    assert answer.status_code == 422
    assert Project.objects.get().code_host_token == ""


def test_a_clone_url_is_tried_by_a_worker(operator: Client) -> None:
    asked = send(operator, "POST", "looks/clone_url", clone_url=URL)
    assert asked.status_code == 202
    lifecycle.answer(lifecycle.claim(asked.json()["id"], "worker"), {"branch": "trunk"})
    found = operator.get(f"/api/v1/looks/clone_url/{asked.json()['id']}").json()
    assert (found["status"], found["answer"]["branch"]) == ("succeeded", "trunk")
    assert send(operator, "POST", "looks/clone_url", clone_url="ftp://nowhere").status_code == 422


def test_keys_of_the_newest_look_are_approved_and_of_no_other(operator: Client) -> None:
    project = make_project("shop", clone_url="git@git.example.org:example/shop.git")
    older, newest = scanned(project), scanned(project)
    assert send(operator, "POST", "projects/shop/setup/keys", scan=older.pk, keys=["SHA256:seen"]).status_code == 409
    assert send(operator, "POST", "projects/shop/setup/keys", scan=newest.pk, keys=["SHA256:no"]).status_code == 409
    told = send(operator, "POST", "projects/shop/setup/keys", scan=newest.pk, keys=["SHA256:seen"]).json()
    assert [key["names"] for key in told["code_host_keys"]] == ["git.example.org"]
    assert Project.objects.get().code_host_keys == f"git.example.org ssh-ed25519 {KEY}\n"
    assert Probe.objects.filter(kind=Kind.REPOSITORY).exists()


def test_a_pipeline_that_was_offered_is_kept_here(owner: Client) -> None:
    project = Project.objects.get()
    assert send(owner, "POST", "projects/shop/setup/pipeline").status_code == 409
    probe = lifecycle.claim(lifecycle.ask(Kind.REPOSITORY, project.pk, "ada (#1)").pk, "worker")
    text = "image: debian\nstages: {test: {steps: [make]}}\n"
    lifecycle.answer(probe, {"starters": [{"key": "make", "title": "Make", "text": text}]})
    kept = send(owner, "POST", "projects/shop/setup/pipeline", starter="make")
    assert (kept.status_code, kept.json()["text"]) == (201, text)
    project.refresh_from_db()
    assert project.spec_source == SpecSource.SERVER
