"""A machine's token is nobody's second pair of eyes, and not a way past them for whoever made it."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from pipelines.deploys import approvals
from pipelines.deploys.models import Deploy
from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from pipelines.runs.starters import has_started
from server.access import actor
from tests.factories import make_environment, make_live, make_person, make_release
from tests.server.api.stand import bearing, token_of

pytestmark = pytest.mark.django_db


def test_a_machine_overrides_nothing_by_a_rollback(project: Project, ada: User) -> None:
    place = make_environment(project)
    make_live(place)
    make_live(place)
    answer = _post(_machine(project, ada), f"environments/{place.name}/rollback", override="it burns")
    assert answer.status_code == 403
    assert "takes a person" in answer.json()["detail"]


def test_who_made_a_token_does_not_approve_the_deploy_that_it_asked_for(project: Project, ada: User) -> None:
    place = make_environment(project, approvals=1)
    release = make_release(project, actor="stranger")
    asked = _post(_machine(project, ada), f"environments/{place.name}/deploys", release=release.number)
    assert asked.status_code == 201, asked.json()
    deploy = Deploy.objects.get(number=asked.json()["number"])
    said = _post(bearing(token_of(ada)), f"deploys/{deploy.number}/approve", plan=approvals.plan_of(deploy))
    assert "who made the token that asked for a deploy does not approve it" in said.json()["detail"]
    assert approvals.why_not(deploy, make_person("bob", project, Role.MAINTAINER)) == ""


def test_who_made_a_token_has_started_the_runs_that_it_started(project: Project, ada: User) -> None:
    started = _post(_machine(project, ada), "runs")
    assert started.status_code == 201, started.json()
    again = project.runs.get(number=started.json()["number"])
    assert has_started(again, ada)
    assert not has_started(again, make_person("bob", project, Role.MAINTAINER))


def _machine(project: Project, maker: User) -> Client:
    _, text = tokens.machine(project, Role.OWNER, "a script", list(Scope), None, by=actor(maker))
    return bearing(text)


def _post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/projects/shop/{path}", json.dumps(body), "application/json")
