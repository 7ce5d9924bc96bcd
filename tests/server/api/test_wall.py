"""The wall as data, and the screens that show it."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from pipelines.screens.models import Screen
from tests.factories import (
    finish_run,
    make_environment,
    make_green_run,
    make_live,
    make_person,
    make_project,
    make_red_run,
    make_run,
    start_stage,
)
from tests.server.api.stand import bearing, token_of
from tests.server.api.test_answers import AT_MOST

pytestmark = pytest.mark.django_db


def pair(client: Client, **body: Any) -> Any:
    return client.post("/api/v1/screens", json.dumps({"code": "K7DM-X2PQ", **body}), "application/json")


def test_the_wall_says_what_is_broken_what_runs_and_what_is_live(ada: User, project: Project) -> None:
    make_live(make_environment(project, is_production=True))
    make_red_run(project)
    run = make_run(project)
    start_stage(run)
    make_red_run(make_project("foreign"))
    told = bearing(token_of(ada)).get("/api/v1/wall").json()
    assert told["title"] == "1 thing is broken"
    assert [(one["name"], one["status"]) for one in told["troubles"]] == [("shop", "failed")]
    assert [(one["kind"], one["number"], one["doing"]) for one in told["running"]] == [("run", run.number, "build")]
    assert [(one["environment"], one["release"]) for one in told["production"]] == [("production", 1)]
    assert told["fine"] == []
    finish_run(run)


def test_the_wall_asks_the_database_as_often_for_many_projects_as_for_few(operator: Client) -> None:
    counted = []
    for _ in range(2):
        for _ in range(3):
            make_live(make_environment(project := make_project(), is_production=True))
            make_red_run(project)
            make_green_run(make_project())
        operator.get("/api/v1/wall")
        with CaptureQueriesContext(connection) as queries:
            assert operator.get("/api/v1/wall").status_code == 200
        counted.append(len(queries))
    assert counted[1] <= counted[0] <= AT_MOST


def test_a_screen_is_paired_listed_and_revoked(ada: User, project: Project) -> None:
    client = bearing(token_of(ada))
    made = pair(client, name="kitchen", projects=["shop"])
    assert made.status_code == 201, made.json()
    assert (made.json()["paired_by"], made.json()["projects"], made.json()["came_at"]) == ("ada", ["shop"], None)
    assert [one["name"] for one in client.get("/api/v1/screens").json()["items"]] == ["kitchen"]
    assert client.delete(f"/api/v1/screens/{made.json()['id']}").status_code == 204
    assert client.get("/api/v1/screens").json()["items"] == []


def test_a_screen_shows_no_project_that_its_person_does_not_own(ada: User) -> None:
    make_person("bob", foreign := make_project("foreign"), Role.OWNER)
    ada.groups.add(make_person("eve", foreign, Role.MAINTAINER).groups.get())
    answer = pair(bearing(token_of(ada)), projects=["shop", "foreign"])
    assert answer.status_code == 422
    assert "foreign" in answer.json()["detail"]
    assert pair(bearing(token_of(ada)), code="0000").status_code == 422


def test_a_token_of_one_project_opens_no_screen_on_another(ada: User, project: Project) -> None:
    other = make_project("other")
    ada.groups.add(make_person("bob", other, Role.OWNER).groups.get())
    client = bearing(tokens.personal(ada, "bound", list(Scope), None, project=project, by="test")[1])
    assert pair(client).status_code == 403
    assert pair(client, projects=["other"]).status_code == 422
    assert pair(client, projects=["shop"]).status_code == 201
    assert client.get("/api/v1/screens").json()["items"] == []
    assert client.delete(f"/api/v1/screens/{Screen.objects.get().pk}").status_code == 404


def test_a_screen_is_paired_and_revoked_by_tokens_to_administer_alone(ada: User) -> None:
    reader = bearing(token_of(ada, Scope.READ, Scope.RUN, Scope.DEPLOY))
    assert pair(reader).status_code == 403
    made = pair(bearing(token_of(ada))).json()
    assert (made["projects"], reader.delete(f"/api/v1/screens/{made['id']}").status_code) == (None, 403)
