"""Services in the story of a stage: ready before it, logged beside it, gone after it."""

import threading
import time

import pytest
from django.db import connection
from docker import DockerClient

from pipelines.errors import SystemFault
from pipelines.runs.models import Attempt
from pipelines.spec.model import ReadySpec, ServiceSpec, StepSpec
from pipelines.states.status import Status
from runners.containers import docker_services, services, stage
from runners.containers.beside import ServicePlan
from runners.containers.docker import DockerExecutor
from runners.containers.executor import Ownership
from runners.containers.sweeping import sweep
from tests import factories
from tests.runners.containers.story import Story, performed, taken_over, text_of

pytestmark = pytest.mark.django_db(transaction=True)

# One line, as a service's command is given: serves each connection with one line, from so many seconds on.
SERVER = (
    "python3 -u -c \"import os, socket, time; print('starting', os.environ.get('WORD')); time.sleep({wait});"
    " s = socket.create_server(('', 5432)); print('listening');"
    " [(c := s.accept()[0], c.sendall(b'hello from db'), c.close(), print('served')) for _ in iter(int, 1)]\""
)
ASK = "nc db 5432 </dev/null"


def db(image: str, wait: float = 0, **options: object) -> ServiceSpec:
    ready = ReadySpec(port=5432, timeout_seconds=120)
    known = {"name": "db", "image": image, "command": SERVER.format(wait=wait), "ready": ready, **options}
    return ServiceSpec(**known)  # type: ignore[arg-type]


def test_a_stage_begins_when_its_service_listens_and_finds_it_by_name(
    story: Story, python_image: str, own_server: DockerExecutor, engine: DockerClient
) -> None:
    attempt = story.perform(ASK, services=(db(python_image, 1, env={"WORD": "a $(word)"}),))
    service = attempt.services.get()

    assert (attempt.status, attempt.reason) == (Status.SUCCEEDED, "")
    assert text_of(attempt.log) == "hello from db"
    assert text_of(service.log) == "starting a $(word)\nlistening\nserved\n"
    assert (service.name, service.condition, service.log.closed_at is None) == ("db", services.ENDED, False)
    assert own_server.ours() == []
    assert engine.networks.list(filters={"label": [f"slipway.server={own_server._server}", "slipway.attempt"]}) == []


def test_a_service_that_is_not_ready_in_time_fails_the_stage_with_its_last_words(
    story: Story, python_image: str, own_server: DockerExecutor
) -> None:
    ready = ReadySpec(port=5432, timeout_seconds=8)
    attempt = story.perform("echo never", services=(db(python_image, 300, ready=ready),))

    assert attempt.status == Status.FAILED
    assert attempt.reason.startswith("the service db was not ready within 8 s: nothing in it listened on port 5432")
    assert attempt.reason.endswith("It last said:\nstarting None")
    assert "never" not in text_of(attempt.log)
    assert own_server.ours() == []


def test_a_look_at_a_port_that_does_not_end_is_a_no_and_is_gone(
    story: Story, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_services, "look_script", lambda _port: "trap '' TERM; while :; do sleep 60; done")
    monkeypatch.setattr(docker_services, "_LOOK_SECONDS", 1)
    plan = ServicePlan(Ownership(1, 2, 3), "db", story.image, command=("sleep", "600"))
    service = own_server.services.create(plan, lambda: None)
    own_server.start(service)
    begun = time.monotonic()

    assert not own_server.services.listens(service, 5432, story.image)
    assert time.monotonic() - begun < 120
    assert [one.id for one in own_server.ours()] == [service.id]


def test_a_service_that_ends_before_it_is_ready_fails_the_stage_at_once(story: Story) -> None:
    broken = ServiceSpec("db", story.image, command="/bin/sh -c 'echo no disk >&2; exit 3'", ready=ReadySpec(port=1))
    attempt = story.perform("echo never", services=(broken,))

    assert attempt.reason == "the service db ended with code 3 before it was ready. It last said:\nno disk"
    assert attempt.services.get().condition == "ended with code 3 before it was ready"


def test_a_service_that_dies_meanwhile_is_told_with_the_failure(story: Story) -> None:
    dying = ServiceSpec("db", story.image, command="/bin/sh -c 'nc -l -p 99; exit 7'")
    end_it = "until nc db 99 </dev/null 2>&1; do sleep 0.2; done; sleep 3; exit 1"
    attempt = story.perform(StepSpec("ask", end_it), services=(dying,))

    assert attempt.reason == "step 1, ask, ended with code 1; its service db had ended with code 7"
    assert attempt.services.get().condition == "ended with code 7 while the stage ran"


def test_a_command_in_its_container_may_say_when_a_service_is_ready(story: Story) -> None:
    slow = ServiceSpec(
        "db",
        story.image,
        command="/bin/sh -c 'sleep 1; touch /tmp/up; sleep 300'",
        ready=ReadySpec(command="test -e /tmp/up && echo ready"),
    )
    began = time.monotonic()
    attempt = story.perform("true", services=(slow,))

    assert attempt.status == Status.SUCCEEDED
    assert time.monotonic() - began > 1


def test_an_unknown_image_of_a_service_fails_the_stage(story: Story, own_server: DockerExecutor) -> None:
    attempt = story.perform("true", services=(ServiceSpec("db", "slipway.invalid/db:1"),))

    assert attempt.status == Status.FAILED
    assert "slipway.invalid/db:1" in attempt.reason
    assert own_server.ours() == []


def test_a_secret_that_a_service_prints_is_masked(story: Story) -> None:
    factories.make_secret(story.project, "TOKEN", "hunter2hunter2")
    telling = ServiceSpec(
        "db", story.image, command="/bin/sh -c 'while :; do nc -l -p 99; done'", ready=ReadySpec(port=99)
    )
    attempt = story.perform("echo $TOKEN | nc -w 5 db 99; sleep 1", secrets=("TOKEN",), services=(telling,))

    assert attempt.status == Status.SUCCEEDED
    assert text_of(attempt.services.get().log) == "***\n"


def test_two_services_of_one_stage_see_each_other(story: Story, python_image: str) -> None:
    ask = "until nc db 5432 </dev/null 2>/dev/null; do sleep 0.2; done; touch /tmp/answered; sleep 300"
    ready = ReadySpec(command="test -e /tmp/answered", timeout_seconds=120)
    asking = ServiceSpec("web", story.image, command=f"/bin/sh -c '{ask}'", ready=ready)
    attempt = story.perform("true", services=(db(python_image), asking))

    assert text_of(attempt.services.get(name="web").log) == "hello from db"


def test_cancelling_while_a_service_is_awaited_ends_all(
    story: Story, python_image: str, own_server: DockerExecutor
) -> None:
    from pipelines.runs import lifecycle

    claim = story.claim(
        "echo never", services=(db(python_image, 300, ready=ReadySpec(port=5432, timeout_seconds=600)),)
    )
    ended: list[Attempt] = []

    def perform() -> None:
        ended.append(performed(claim))
        connection.close()

    thread = threading.Thread(target=perform)
    thread.start()
    time.sleep(2)
    lifecycle.cancel(claim.attempt.stage.run, "ada (#1)")
    thread.join(120)

    assert [attempt.status for attempt in ended] == [Status.CANCELLED]
    assert own_server.ours() == []


class Dead(BaseException):
    """The runner is gone: nothing of it may clean up."""


MOMENTS = [
    "runners.containers.docker_services.DockerServices.create",
    "runners.containers.preparation.supply",
    "runners.containers.listening.Listener.hear_live",
    "pipelines.services.lifecycle.end",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_runner_that_dies_leaves_its_services_to_the_next(
    story: Story, python_image: str, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from pkgutil import resolve_name

    claim = story.claim("sleep 2; " + ASK, services=(db(python_image),))
    place, _, name = moment.rpartition(".")
    real = getattr(resolve_name(place), name)

    def dying(*args: object, **options: object) -> object:
        if moment.endswith("supply") or moment.endswith("end"):
            raise Dead
        real(*args, **options)
        raise Dead

    with monkeypatch.context() as patched:
        patched.setattr(resolve_name(place), name, dying)
        with pytest.raises(Dead):
            stage.run(claim)
    assert sweep() == 0
    attempt = performed(taken_over(claim.attempt))

    assert (attempt.status, attempt.reason) == (Status.SUCCEEDED, "")
    assert "hello from db" in text_of(attempt.log)
    said = text_of(attempt.services.get().log)
    assert said.count("listening\n") == 1
    assert said.endswith("served\n")
    assert own_server.ours() == []


def test_a_runner_that_broke_leaves_its_services_and_the_sweep_takes_what_is_over(
    story: Story, python_image: str, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise SystemFault("no storage")

    monkeypatch.setattr("runners.containers.preparation.supply", broken)
    claim = story.claim("true", services=(db(python_image),))
    with pytest.raises(SystemFault):
        stage.run(claim)
    assert len(own_server.ours()) == 2
    from pipelines.runs import lifecycle

    lifecycle.finish_attempt(claim.attempt, Status.ERRORED, reason="it broke")

    assert sweep() > 0
    assert own_server.ours() == []
