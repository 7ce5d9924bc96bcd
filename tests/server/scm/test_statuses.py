"""Commit statuses, told to a code host over HTTP."""

import threading
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.runs import lifecycle
from pipelines.states.models import Transition
from pipelines.states.status import Status
from server.notifications import announcer
from server.notifications.errors import Refused, Unreachable
from server.scm import statuses
from server.scm.statuses import CommitStatus
from tests.factories import finish_run, make_green_run, make_project, make_red_run, make_run, plan
from tests.lab.codehost import CodeHost, code_host
from tests.lab.stand_in import Answer, Asked, serve

pytestmark = pytest.mark.django_db


@pytest.fixture
def host(settings: Settings) -> Iterator[CodeHost]:
    with code_host() as running:
        running.create("acme/shop")
        settings.SLIPWAY_GITHUB_API = running.url
        settings.SLIPWAY_URL = "https://slipway.example"
        yield running


@pytest.fixture
def project() -> Project:
    return make_project(code_host_name="acme/shop", code_host_token="ghp_lab")


def drain() -> None:
    announcer.drain(Channel.COMMIT_STATUS, threading.Event())


def test_a_green_run_is_told_step_by_step(host: CodeHost, project: Project) -> None:
    run = make_run(project, spec=None)
    drain()
    plan(run)
    drain()
    finish_run(run)
    drain()
    assert host.states(run.sha) == ["pending", "pending", "success"]
    last = host.statuses[-1]
    assert last.target_url == f"https://slipway.example/projects/{project.name}/runs/1/"
    assert (last.context, last.description, last.authorization) == ("slipway", "Run 1 succeeded", "Bearer ghp_lab")
    assert not Message.objects.filter(sent_at=None).exists()


def test_a_red_run_is_a_failure_with_its_reason(host: CodeHost, project: Project) -> None:
    make_red_run(project)
    drain()
    last = host.statuses[-1]
    assert (last.state, last.description) == ("failure", "Run 1 failed: test: step 1 ended with code 1")


@pytest.mark.parametrize("status", [Status.ERRORED, Status.CANCELLED])
def test_a_run_without_a_verdict_is_an_error(host: CodeHost, project: Project, status: Status) -> None:
    run = make_run(project, spec=None)
    if status == Status.CANCELLED:
        lifecycle.cancel(run, "ada (#1)")
    else:
        lifecycle.reject(run, status, "the mirror's disk is full")
    drain()
    assert host.states(run.sha)[-1] == "error"


def test_each_message_is_sent_once(host: CodeHost, project: Project) -> None:
    run = make_run(project)
    drain()
    drain()
    assert len(host.states(run.sha)) == 2


def test_a_late_pending_does_not_hide_the_verdict(host: CodeHost, project: Project) -> None:
    run = make_green_run(project)
    first, *_, last = Message.objects.order_by("transition_id")
    announcer.deliver(last, statuses.send)
    announcer.deliver(first, statuses.send)
    assert host.states(run.sha) == ["success"]


def test_a_description_fits_what_github_takes(project: Project) -> None:
    run = make_run(project, spec=None)
    told = Transition(to_status=Status.FAILED, reason="line one\nline two " + "x" * 500)
    described = statuses.describe(run, told)
    assert len(described.description) == 140
    assert described.description.startswith("Run 1 failed: line one line two xxx")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401, {"message": "Bad credentials"}), Refused),
        (Answer(404, {"message": "Not Found"}), Refused),
        (Answer(422, {"message": "No commit found"}), Refused),
        (Answer(403, {"message": "Resource not accessible"}), Refused),
        (Answer(307, {}, headers=(("Location", "http://127.0.0.1:1/"),)), Refused),
        (Answer(403, {}, headers=(("X-RateLimit-Remaining", "0"),)), Unreachable),
        (Answer(403, {}, headers=(("Retry-After", "30"),)), Unreachable),
        (Answer(429, {}), Unreachable),
        (Answer(500, {}), Unreachable),
        (Answer(503, content=b"<html>down</html>"), Unreachable),
    ],
)
def test_refusals_that_stay_are_told_from_those_that_pass(
    project: Project, settings: Settings, answer: Answer, error: type[Exception]
) -> None:
    asked: list[Asked] = []
    with serve(lambda request: asked.append(request) or answer) as url:  # type: ignore[func-returns-value]
        settings.SLIPWAY_GITHUB_API = url
        with pytest.raises(error):
            statuses.post(project, "a" * 40, CommitStatus("success", "fine", "https://slipway.example/"))
    assert len(asked) == 1


def test_a_host_that_is_down_may_come_back(project: Project, settings: Settings) -> None:
    settings.SLIPWAY_GITHUB_API = "http://127.0.0.1:1"
    with pytest.raises(Unreachable, match="did not answer"):
        statuses.post(project, "a" * 40, CommitStatus("success", "fine", ""))


@pytest.mark.parametrize("fields", [{"code_host_name": "../../user"}, {"code_host_token": ""}])
def test_a_project_that_cannot_be_told_about_is_refused_before_anything_is_sent(fields: dict[str, str]) -> None:
    project = make_project(**{"code_host_name": "acme/shop", "code_host_token": "t", **fields})
    with pytest.raises(Refused):
        statuses.post(project, "a" * 40, CommitStatus("success", "fine", ""))
