"""What is tried again, when, and what is not."""

import pytest

from pipelines.errors import LostRace
from pipelines.runs import lifecycle, turns
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.runs.retries import BACK_OFF_SECONDS, pause_seconds
from pipelines.spec.model import RetrySpec
from pipelines.states import leases
from pipelines.states.status import Status
from tests.factories import OWNER, finish_run, make_run, make_spec, make_stage_spec, start_stage

ONCE = RetrySpec(times=1, on=("infrastructure",))


@pytest.mark.parametrize(
    ("wish", "made", "status", "code", "pause"),
    [
        (RetrySpec(), 1, Status.ERRORED, None, BACK_OFF_SECONDS[0]),
        (RetrySpec(), 2, Status.ERRORED, None, BACK_OFF_SECONDS[1]),
        (RetrySpec(), 3, Status.ERRORED, None, None),
        (RetrySpec(), 1, Status.FAILED, 1, None),
        (RetrySpec(), 1, Status.CANCELLED, 137, None),
        (RetrySpec(times=9, on=("any", "infrastructure")), 9, Status.ERRORED, None, BACK_OFF_SECONDS[-1]),
        (RetrySpec(times=1, on=("any",)), 1, Status.FAILED, 1, 0.0),
        (RetrySpec(times=1, on=("any",)), 1, Status.FAILED, None, None),
        (RetrySpec(times=1, on=("any",)), 1, Status.ERRORED, None, None),
        (RetrySpec(times=1, on=(), exit_codes=(75,)), 1, Status.FAILED, 75, 0.0),
        (RetrySpec(times=1, on=(), exit_codes=(75,)), 1, Status.FAILED, 1, None),
        (RetrySpec(times=0), 1, Status.ERRORED, None, None),
    ],
)
def test_the_pause_before_the_next_attempt_follows_from_how_the_last_one_ended(
    wish: RetrySpec, made: int, status: Status, code: int | None, pause: float | None
) -> None:
    assert pause_seconds(wish, made, status, code) == pause


def _run(wish: RetrySpec = ONCE) -> Run:
    return make_run(spec=make_spec(make_stage_spec("test", retry=wish), make_stage_spec("after", "test")))


def _stage(run: Run, name: str = "test") -> Stage:
    return Stage.objects.get(run=run, name=name)


def _break(run: Run) -> Attempt:
    attempt = start_stage(run, "test")
    lifecycle.finish_attempt(attempt, Status.ERRORED, reason="the engine is gone")
    return attempt


@pytest.mark.django_db
def test_what_broke_of_ours_is_tried_again_after_a_while_and_the_old_attempt_stays() -> None:
    run = _run()
    first = _break(run)
    stage = _stage(run)
    assert (stage.status, stage.reason) == (Status.QUEUED, "tried again after: the engine is gone")
    assert stage.ready_at is not None
    assert Attempt.objects.get(pk=first.pk).status == Status.ERRORED
    assert Attempt.objects.get(pk=first.pk).log.closed_at is not None
    assert _stage(run, "after").status == Status.PENDING
    Stage.objects.filter(pk=stage.pk).update(ready_at=leases.until(-1))
    second = start_stage(run, "test")
    assert (second.number, second.log_id != first.log_id) == (2, True)
    lifecycle.finish_attempt(second, Status.SUCCEEDED, exit_code=0)
    assert _stage(run, "after").status == Status.QUEUED


@pytest.mark.django_db
def test_nobody_begins_it_before_its_pause_is_over() -> None:
    run = _run()
    _break(run)
    stage = _stage(run)
    assert turns.next_stage([]) is None
    assert stage.pk not in turns.due_stages(10)
    with pytest.raises(LostRace):
        lifecycle.claim_stage(stage.pk, OWNER)
    Stage.objects.filter(pk=stage.pk).update(ready_at=leases.until(-1))
    assert turns.next_stage([]) == stage.pk
    assert stage.pk in turns.due_stages(10)


@pytest.mark.django_db
def test_after_the_last_attempt_the_stage_has_its_verdict() -> None:
    run = _run()
    _break(run)
    Stage.objects.filter(run=run).update(ready_at=None)
    _break(run)
    assert _stage(run).status == Status.ERRORED
    assert Run.objects.get(pk=run.pk).status == Status.ERRORED


@pytest.mark.django_db
def test_a_failure_is_tried_again_at_once_where_its_exit_code_is_named() -> None:
    run = _run(RetrySpec(times=1, on=(), exit_codes=(75,)))
    lifecycle.finish_attempt(start_stage(run, "test"), Status.FAILED, reason="step 1 ended with code 75", exit_code=75)
    assert turns.next_stage([]) == _stage(run).pk
    lifecycle.finish_attempt(start_stage(run, "test"), Status.FAILED, reason="step 1 ended with code 1", exit_code=1)
    assert _stage(run).status == Status.FAILED


@pytest.mark.django_db
def test_what_a_person_cancelled_is_never_tried_again() -> None:
    run = _run()
    attempt = start_stage(run, "test")
    lifecycle.cancel(run, "ada (#1)")
    lifecycle.finish_attempt(attempt, Status.ERRORED, reason="the engine is gone")
    assert _stage(run).status == Status.ERRORED
    assert Run.objects.get(pk=run.pk).is_final


@pytest.mark.django_db
def test_work_that_takes_its_workers_down_is_not_given_to_more_of_them() -> None:
    run = _run()
    attempt = start_stage(run, "test")
    attempt.deaths = leases.MAX_DEATHS
    lifecycle.finish_attempt(attempt, Status.ERRORED, reason="its workers died again and again")
    assert _stage(run).status == Status.ERRORED


@pytest.mark.django_db
def test_a_cancel_ends_what_waits_to_be_tried_again() -> None:
    run = _run()
    _break(run)
    lifecycle.cancel(run, "ada (#1)")
    assert _stage(run).status == Status.CANCELLED
    assert Run.objects.get(pk=run.pk).status == Status.CANCELLED


@pytest.mark.django_db
def test_a_retry_that_came_to_the_queue_as_the_run_was_cancelled_is_found_and_ended() -> None:
    run = _run()
    lifecycle.cancel(run, "ada (#1)")
    run = _run()
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=leases.until(0))
    with pytest.raises(LostRace):
        lifecycle.claim_stage(_stage(run).pk, OWNER)
    assert lifecycle.unsettled() == [run.pk]
    lifecycle.settle(run.pk)
    assert Run.objects.get(pk=run.pk).status == Status.CANCELLED


@pytest.mark.django_db
def test_a_run_whose_retry_succeeds_has_succeeded() -> None:
    run = _run()
    _break(run)
    Stage.objects.filter(run=run).update(ready_at=None)
    assert finish_run(run).status == Status.SUCCEEDED
