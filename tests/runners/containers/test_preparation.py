"""What is made before a container is let go: by one alone, after whatever went before, and ended when it must be."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db import connection

from pipelines.errors import SystemFault
from pipelines.runs import lifecycle
from pipelines.runs.lifecycle import Claim
from pipelines.runs.models import Attempt, Stage
from pipelines.spec.model import BuildSpec, StageSpec
from pipelines.states.status import Status
from runners.checkout import Mirror
from runners.containers import ahead, building, preparation, stage
from runners.containers.clearing import clearing
from runners.containers.docker import DockerExecutor
from runners.containers.executor import Container, ContainerTaken, EngineGone, State
from runners.containers.preparation import Order
from runners.containers.script import archive, files_of
from runners.containers.waiting import Place
from runners.queue import jobs
from tests.runners.containers.story import OWNER, Story, commit, performed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_image_left")]


def ordered(claim: Claim) -> Order:
    spec = StageSpec.from_json(claim.attempt.stage.spec)
    return preparation.order(claim.attempt.stage, claim.attempt.number, spec, {})


def at_work(server: DockerExecutor, order: Order) -> Container:
    """The container of an order, let go, as an attempt left it whose runner could not hear of it any more."""
    made = server.create(order.plan)
    with closing(server.output(made)) as line:
        server.start(made)
        server.put(made, archive(files_of(["echo begun; sleep 300"])))
        line.go()
        while b"begun" not in (line.read(1) or b""):
            pass
    return made


def again(claim: Claim) -> Claim:
    """The claim of a second attempt, after the first has ended without an outcome."""
    lifecycle.finish_attempt(claim.attempt, Status.ERRORED, reason="the engine did not answer")
    Stage.objects.filter(pk=claim.attempt.stage_id).update(ready_at=None)  # the pause before it is over
    return lifecycle.claim_stage(claim.attempt.stage_id, OWNER)


@pytest.mark.parametrize("spec", [{}, {"build": BuildSpec()}], ids=["steps", "build"])
def test_an_attempt_begins_when_the_one_before_it_runs_no_more(
    story: Story, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any]
) -> None:
    commit(story.repository, {"Dockerfile": f"FROM {story.image}\n"})
    claim = story.claim("true", **spec)
    former = at_work(own_server, ordered(claim))
    second = again(claim)
    ran: list[bool] = []
    place, name = (building, "build") if spec else (preparation, "open_container")
    real = getattr(place, name)

    def looking(*args: Any, **options: Any) -> Any:
        ran.append(own_server.find(former.owner) is not None)
        return real(*args, **options)

    monkeypatch.setattr(place, name, looking)
    attempt = performed(second)

    assert (attempt.number, attempt.status, attempt.reason) == (2, Status.SUCCEEDED, "")
    assert ran == [False]
    assert own_server.ours() == []


def test_an_attempt_whose_forerunner_cannot_be_ended_begins_nothing(
    story: Story, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = story.claim("true")
    former = at_work(own_server, ordered(claim))
    second = again(claim)

    def refused(*_args: object) -> None:
        raise EngineGone("the container engine refused")

    with monkeypatch.context() as patched:
        patched.setattr(DockerExecutor, "clear", refused)
        with pytest.raises(EngineGone):
            stage.run(second)
    assert [each.id for each in own_server.ours()] == [former.id]


def test_what_an_errored_attempt_left_is_cleared_away_without_the_sweep(
    story: Story, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = story.claim("sleep 300")

    def deaf(*_args: object) -> None:
        raise EngineGone("the container engine did not answer")

    monkeypatch.setattr("runners.containers.listening.Listener.hear_live", deaf)
    monkeypatch.setattr(lifecycle, "claim_stage", lambda *_args: claim)
    jobs._stage(claim.attempt.stage_id)

    assert Attempt.objects.get(pk=claim.attempt.pk).status == Status.ERRORED
    assert clearing.finish(30)
    assert own_server.ours() == []


def test_a_container_that_another_still_prepares_is_not_taken_but_removed(
    story: Story, own_server: DockerExecutor
) -> None:
    claim = story.claim("cat greeting")
    theirs = own_server.create(ordered(claim).plan)
    attempt = performed(claim)

    assert attempt.status == Status.SUCCEEDED
    assert attempt.container != theirs.id
    with pytest.raises(EngineGone):  # whoever still prepares it finds it gone
        own_server.start(theirs)


def test_who_makes_it_ahead_too_late_lets_be_what_was_claimed(
    story: Story, own_server: DockerExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    claim = story.claim("sleep 300")
    claimed = at_work(own_server, ordered(claim))
    place = Place(claim.attempt.stage_id, claim.attempt.number, lambda _opened: None)
    ahead._make(own_server, claim.attempt.stage, place)

    assert isinstance(place.made.exception(), ContainerTaken)
    found = own_server.find(claimed.owner)
    assert found is not None
    assert (found.id, found.state) == (claimed.id, State.RUNNING)
    assert {record.levelname for record in caplog.records if record.name.startswith("runners.containers")} <= {"INFO"}


@pytest.mark.parametrize("spec", [{}, {"build": BuildSpec()}], ids=["steps", "build"])
@pytest.mark.parametrize("how", ["cancelled", "timeout"])
def test_an_attempt_ends_when_it_must_while_its_commit_is_fetched(
    story: Story, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch, how: str, spec: dict[str, Any]
) -> None:
    let_go, fetching = threading.Event(), threading.Event()

    def slow(*_args: object, **_options: object) -> None:
        fetching.set()
        let_go.wait(600)
        raise SystemFault("nobody waits for it")

    monkeypatch.setattr(Mirror, "fetch", slow)
    monkeypatch.setattr(Mirror, "workspace_at_hand", lambda *_args: None)
    claim = story.claim("true", timeout_seconds=300 if how == "cancelled" else 6, **spec)
    thread = threading.Thread(target=_closing(lambda: performed(claim)))
    thread.start()
    assert fetching.wait(120)
    if how == "cancelled":
        lifecycle.cancel(claim.attempt.stage.run, "ada (#1)")
    began = time.monotonic()
    thread.join(300)
    seconds = time.monotonic() - began
    let_go.set()

    attempt = Attempt.objects.get(pk=claim.attempt.pk)
    assert attempt.status == (Status.CANCELLED if how == "cancelled" else Status.FAILED)
    assert seconds < 300
    assert own_server.ours() == []


def _closing(work: Callable[[], object]) -> Callable[[], None]:
    def done() -> None:
        work()
        connection.close()

    return done
