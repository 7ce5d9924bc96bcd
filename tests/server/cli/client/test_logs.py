"""Logs on the terminal: whole, by stage, as they grow, and after a lost connection."""

import json

import pytest

from pipelines.projects.models import Project, Role
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt
from pipelines.states.status import Status
from server.cli.client import logstream
from server.cli.client.errors import NotFound, Unreachable
from server.cli.client.following import Patience
from server.cli.client.session import connect
from tests.factories import (
    finish_deploy,
    finish_stage,
    make_deploy,
    make_environment,
    make_run,
    print_steps,
    start_stage,
)
from tests.server.cli.client.conftest import SignIn, Slipway

pytestmark = pytest.mark.django_db


def test_of_one_stage_the_lines_are_bare_and_of_several_each_bears_its_stage(
    slipway: Slipway, signed_in: SignIn, project: Project
) -> None:
    signed_in(Role.VIEWER)
    run = make_run(project)
    finish_stage(run, "build", text=b"one\ntwo")
    finish_stage(run, "test", text=b"three\n")
    assert slipway("logs", 1, "--stage", "build").out == "one\ntwo\n"
    assert slipway("logs").out == "build │ one\nbuild │ two\ntest  │ three\n"
    lines = [json.loads(line) for line in slipway("logs", "--json").out.splitlines()]
    assert lines[2] == {"name": "test", "attempt": 1, "line": "three"}


def test_what_a_stage_printed_moves_no_terminal(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.VIEWER)
    finish_stage(make_run(project), "build", text=b"\x1b[31m10 %\r100 %\x1b[0m\x1b]0;title\x07\x1b[2J\n")
    assert slipway("logs", "--stage", "build").out == "100 %\n"


def test_a_stage_that_is_not_there_is_told_with_those_that_are(
    slipway: Slipway, signed_in: SignIn, project: Project
) -> None:
    signed_in(Role.VIEWER)
    make_run(project)
    said = slipway("logs", "--stage", "biuld")
    assert said.status == 4
    assert "it has build, test" in said.err


def test_what_a_host_printed_is_read_by_its_deploy(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.VIEWER)
    finish_deploy(make_deploy(make_environment(project, name="production")))
    said = slipway("logs", "--deploy", 1)
    assert said.status == 0, said.err
    assert "web-1 │ web-1: " in said.out
    assert "│" not in slipway("logs", "--deploy", 1, "--host", "web-1").out


@pytest.fixture
def open_log(slipway: Slipway, signed_in: SignIn, project: Project) -> Attempt:
    """A log that somebody writes, with its first line."""
    signed_in(Role.VIEWER)
    attempt = start_stage(make_run(project), "build")
    print_steps(attempt, ["eins zwö".encode()])
    return attempt


def test_a_stream_that_broke_off_is_taken_up_where_it_was(open_log: Attempt) -> None:
    """This server's streams end at what there is, as if the connection broke: what comes later comes once."""
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        print_steps(open_log, [b"lf drei\n"])
        if len(waited) == 2:
            lifecycle.finish_attempt(open_log, Status.SUCCEEDED, exit_code=0)

    with connect() as server:
        text = "".join(logstream.follow(server, open_log.log_id, Patience(sleep=meanwhile)))
    assert text == "eins zwölf drei\nlf drei\n"
    assert len(waited) == 2


def test_a_stream_that_the_server_ends_after_a_while_is_taken_up_in_silence(
    open_log: Attempt, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three streams the first has brought something, the second was quiet for an hour; then the log ends."""
    hours = iter([0.0, 3600.0, 7200.0, 7201.0])

    def clock() -> float:
        now = next(hours)
        if now == 7200:
            print_steps(open_log, [b"lf drei\n"])
            lifecycle.finish_attempt(open_log, Status.SUCCEEDED, exit_code=0)
        return now

    with connect() as server:
        text = "".join(logstream.follow(server, open_log.log_id, Patience(sleep=_never), clock))
    assert text == "eins zwölf drei\n"
    assert "is lost" not in capsys.readouterr().err


def _never(seconds: float) -> None:
    pytest.fail("the server was there all the time")


def test_a_connection_that_stays_away_is_given_up_in_the_end(open_log: Attempt) -> None:
    with connect() as server, pytest.raises(Unreachable, match="before the log's end"):
        list(logstream.follow(server, open_log.log_id, Patience(0, sleep=lambda seconds: None)))


def test_a_log_that_is_not_there_is_not_waited_for(open_log: Attempt) -> None:
    with connect() as server, pytest.raises(NotFound):
        list(logstream.follow(server, 10**6))
