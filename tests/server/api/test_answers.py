"""What goes for all answers: errors in one form, lists in portions, nothing secret, a bounded number of questions."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Role
from tests.factories import (
    make_environment,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_red_run,
    make_run,
)
from tests.server.api.stand import Stand, bearing, token_of

pytestmark = pytest.mark.django_db

AT_MOST = 24  # queries of any answer: the caller, the project, and what it is about


def test_every_error_is_a_problem(stand: Stand, operator: Client) -> None:
    project = f"/api/v1/projects/{stand.project.name}"
    refused = [
        operator.get("/api/v1/projects/no-such"),
        operator.get("/api/v1/no-such"),
        operator.get("/api/v1/"),
        operator.post(f"{project}/runs", "{", "application/json"),
        operator.post(f"{project}/releases/1/lift", '{"why": "x"}', "application/json"),
        Client().get("/api/v1/me"),
        Client().post("/api/v1/no-such"),
    ]
    assert [answer.status_code for answer in refused] == [404, 404, 404, 422, 409, 401, 404]
    assert {answer["Content-Type"] for answer in refused} == {"application/problem+json"}
    assert [answer.json()["status"] for answer in refused] == [404, 404, 404, 422, 409, 401, 404]


def test_what_is_wrong_with_what_was_sent_is_told_by_its_place(stand: Stand, operator: Client) -> None:
    address = f"/api/v1/projects/{stand.project.name}/environments/production/lock"
    answer = operator.post(address, json.dumps({"reason": "", "until": "tomorrow"}), "application/json")
    assert [fault["where"] for fault in answer.json()["errors"]] == ["body.reason", "body.until"]


def test_a_mistake_in_a_pipeline_is_told_with_its_line(stand: Stand, operator: Client) -> None:
    edit = {"text": "image: busybox\nstagse: {}\n", "based_on": 1}
    answer = operator.put(f"/api/v1/projects/{stand.project.name}/pipeline", json.dumps(edit), "application/json")
    assert answer.status_code == 422
    assert ".slipway.yml:2:1" in [fault["where"] for fault in answer.json()["errors"]]


def test_who_lacks_a_scope_is_told_which(stand: Stand) -> None:
    reader = bearing(token_of(make_operator(), Scope.READ))
    answer = reader.post(f"/api/v1/projects/{stand.project.name}/runs", "{}", "application/json")
    assert answer.json()["detail"] == f"to start a run in {stand.project} takes a token with the scope run"


def test_a_revoked_token_opens_nothing() -> None:
    token, text = tokens.personal(make_operator(), "old", list(Scope), None, project=None, by="test")
    tokens.revoke(token, by="test")
    answer = bearing(text).get("/api/v1/me")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="Slipway"')


def test_a_token_of_one_project_sees_no_other() -> None:
    person, mine, other = make_operator(), make_project(), make_project()
    _, text = tokens.personal(person, "mine", list(Scope), None, project=mine, by="test")
    assert [one["name"] for one in bearing(text).get("/api/v1/projects").json()["items"]] == [mine.name]
    assert bearing(text).get(f"/api/v1/projects/{other.name}").status_code == 404


def test_a_list_goes_on_where_the_portion_before_ended(operator: Client) -> None:
    project = make_project()
    for _ in range(5):
        make_run(project, spec=None)
    found, cursor = [], ""
    while cursor is not None:
        page = operator.get(f"/api/v1/projects/{project.name}/runs?limit=2&cursor={cursor}").json()
        found += [run["number"] for run in page["items"]]
        cursor = page["next"]
    assert found == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["x", "99999999999", "0" * 30 + "9" * 60])
def test_a_cursor_that_no_list_has_given_is_refused(cursor: str, stand: Stand, operator: Client) -> None:
    assert operator.get(f"/api/v1/projects/{stand.project.name}/runs?cursor={cursor}").status_code == 422


def test_runs_are_found_by_ref_and_status(operator: Client) -> None:
    project = make_project()
    make_red_run(project)
    make_run(project, spec=None, ref="refs/heads/dev")
    address = f"/api/v1/projects/{project.name}/runs"
    assert [run["number"] for run in operator.get(f"{address}?status=failed").json()["items"]] == [1]
    assert [run["number"] for run in operator.get(f"{address}?ref=dev").json()["items"]] == [2]


def test_a_log_is_had_in_parts(stand: Stand, operator: Client) -> None:
    address = f"/api/v1/logs/{stand.attempt.log_id}.txt"
    part = operator.get(address, headers={"Range": "bytes=1-2"})
    assert (part.status_code, b"".join(part), part["Content-Range"]) == (206, b"on", "bytes 1-2/5")
    assert operator.get(address, headers={"Range": "bytes=9-"}).status_code == 416


def test_no_answer_holds_what_is_secret(stand: Stand, operator: Client) -> None:
    project, environment = stand.project, stand.project.environments.get()
    environment.inventory_secret = "AKIA-not-to-be-told"
    environment.save()
    secrets = [project.webhook_secret, project.secrets.get().value, "hunter2-hunter2", "no key at all", "AKIA-not"]
    secrets += [project.recipients.get().signing_secret, "hooks.example.org/in"]
    described = operator.get("/api/v1/openapi.json").json()["paths"]
    answers = [_text(operator, path, stand) for path, methods in described.items() if "get" in methods]
    assert not [secret for secret in secrets for text in answers if secret in text]


def test_who_asks_too_often_is_told_when_to_come_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SLIPWAY_API_REQUESTS_A_MINUTE = 2
    monkeypatch.setattr("server.api.limits.time.time", lambda: 1_800_000_045.0)
    ada, bob = (bearing(token_of(make_person())) for _ in range(2))
    assert [ada.get("/api/v1/me").status_code for _ in range(3)] == [200, 200, 429]
    answer = ada.get("/api/v1/me")
    assert (answer["Retry-After"], answer["Content-Type"]) == ("15", "application/problem+json")
    assert bob.get("/api/v1/me").status_code == 200


def test_where_nobody_can_count_nobody_is_turned_away(settings: Settings) -> None:
    settings.SLIPWAY_API_REQUESTS_A_MINUTE = 1
    settings.CACHES = {"default": settings.CACHES["default"]}
    ada = bearing(token_of(make_person()))
    assert [ada.get("/api/v1/me").status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("path", ["/runs", "", "/deploys", "/releases", "/environments", "/events", "/schedules"])
def test_a_list_asks_the_database_as_often_for_much_as_for_little(path: str, operator: Client) -> None:
    project = make_project()
    for _ in range(2):  # of one environment nothing can be newer than what it runs
        _fill(project)
    address = f"/api/v1/projects/{project.name}{path}"
    operator.get(address)  # the first use of a token is noted
    before = _asked(operator, address)
    for _ in range(3):
        _fill(project)
    assert _asked(operator, address) <= before <= AT_MOST


@pytest.mark.parametrize("path", ["projects", "environments", "events", "queue", "runners"])
def test_what_is_asked_of_everything_grows_not_with_the_projects(path: str, operator: Client) -> None:
    _fill(make_project())
    operator.get(f"/api/v1/{path}")
    before = _asked(operator, f"/api/v1/{path}")
    for _ in range(3):
        _fill(make_project())
    assert _asked(operator, f"/api/v1/{path}") <= before <= AT_MOST


def test_an_owner_sees_names_of_secrets_and_a_maintainer_none(stand: Stand) -> None:
    address = f"/api/v1/projects/{stand.project.name}/environments/production/variables"
    roles = (Role.OWNER, Role.MAINTAINER)
    callers = [bearing(token_of(make_person(project=stand.project, role=role))) for role in roles]
    assert [caller.get(address).json()["secrets"] for caller in callers] == [["PASSWORD"], None]


def _fill(project: Any) -> None:
    name = f"place-{project.environments.count()}"
    make_live(make_environment(project, name))
    make_red_run(project)
    make_run(project)


def _asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def _text(client: Client, path: str, stand: Stand) -> str:
    for name, value in stand.names.items():
        path = path.replace(f"{{{name}}}", str(value))
    answer = client.get(f"{path}?q=thing&release=1")
    content = b"".join(answer) if answer.streaming else answer.content
    assert answer.status_code == 200, path
    return str(content.decode())
