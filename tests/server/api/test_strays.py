"""Whoever refuses a request of a program, Django itself or what stands before the API: the answer is a problem."""

import pytest
from django.test import AsyncClient, Client
from pytest_django import Settings

from tests.factories import make_operator, make_person, make_project
from tests.server.api.stand import Stand, bearing, token_of

pytestmark = pytest.mark.django_db

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "me", {"GET"}), ("PATCH", "projects", {"GET", "POST"})],
)
def test_a_method_that_is_not_taken_is_told_with_those_that_are(
    operator: Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = operator.generic(method, f"/api/v1/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (405, PROBLEM)
    assert allowed <= set(answer["Allow"].split(", "))
    told = answer.json()
    assert (told["status"], told["title"]) == (405, "Method Not Allowed")
    assert "GET" in told["detail"]


def test_an_address_of_none_of_ours_is_a_problem(settings: Settings, operator: Client) -> None:
    settings.ALLOWED_HOSTS = ["ci.example.com"]
    answer = operator.get("/api/v1/me", headers={"Host": "elsewhere.example.com"})
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)


def test_more_than_is_taken_at_once_is_a_problem(settings: Settings, operator: Client) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = operator.post("/api/v1/lint", '{"text": "image: busybox"}', "application/json")
    assert (answer.status_code, answer["Content-Type"]) == (413, PROBLEM)


def test_who_lacks_a_second_factor_is_told_so_in_a_problem(settings: Settings) -> None:
    settings.SLIPWAY_SECOND_FACTOR = "all"
    client = Client()
    client.force_login(make_operator())
    answer = client.get("/api/v1/me")
    assert (answer.status_code, answer["Content-Type"]) == (403, PROBLEM)
    assert "second factor" in answer.json()["detail"]


def test_what_breaks_is_a_problem_that_tells_nothing_of_the_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("server.api.me.runs.lines", broken)
    answer = bearing(token_of(make_operator()), raise_request_exception=False).get("/api/v1/projects")
    assert (answer.status_code, answer["Content-Type"]) == (500, PROBLEM)
    assert "secret" not in answer.content.decode()


def test_a_range_behind_the_end_is_a_problem_with_the_length(stand: Stand, operator: Client) -> None:
    answer = operator.get(f"/api/v1/logs/{stand.attempt.log_id}.txt", headers={"Range": "bytes=9-"})
    assert (answer.status_code, answer["Content-Type"]) == (416, PROBLEM)
    assert answer["Content-Range"] == "bytes */5"


def test_pages_keep_their_own_errors() -> None:
    client = Client()
    client.force_login(make_person())
    answer = client.get(f"/projects/{make_project()}/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


async def test_under_asgi_it_is_the_same() -> None:
    answer = await AsyncClient().delete("/api/v1/me")
    assert (answer.status_code, answer["Content-Type"], answer["Allow"]) == (405, PROBLEM, "GET")
