"""What can be done to a run and its stages, and what follows."""

import pytest

from pipelines.audit.models import Act
from pipelines.errors import LostRace
from pipelines.outbox.models import Channel, Message
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states import leases
from pipelines.states.leases import LostLease
from pipelines.states.models import Transition
from pipelines.states.status import FINAL, Status
from tests.factories import OWNER, finish_run, finish_stage, make_green_run, make_project, make_run, plan, start_stage
from tests.rivals import race, race_processes

pytestmark = pytest.mark.django_db

DIAMOND = """\
image: busybox
stages:
  top: {steps: ["true"]}
  left: {needs: [top], steps: ["true"]}
  right: {needs: [top], steps: ["true"]}
  bottom: {needs: [left, right], steps: ["true"]}
"""
WIDE = "image: busybox\nstages:\n" + "".join(f'  s{n}: {{needs: [], steps: ["true"]}}\n' for n in range(8))


def _statuses(run: Run) -> dict[str, str]:
    return dict(run.stages.order_by("position").values_list("name", "status"))


def _stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def _expire(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=leases.until(-1))


# Claims


def test_a_claim_makes_an_attempt_with_lease_fence_and_log() -> None:
    run = make_run()
    claim = lifecycle.claim_stage(run.stages.get(name="build").pk, "worker")
    attempt = Attempt.objects.get(pk=claim.attempt.pk)
    assert not claim.resumed
    assert (attempt.number, attempt.owner, attempt.fence, attempt.status) == (1, "worker", 1, Status.RUNNING)
    assert attempt.lease_until is not None
    assert attempt.log.size == 0
    assert _statuses(run)["build"] == Status.RUNNING


@pytest.mark.parametrize("name", ["build", "test"], ids=["running", "pending"])
def test_a_stage_that_is_not_queued_is_not_claimed(name: str) -> None:
    run = make_run()
    start_stage(run, "build")
    with pytest.raises(LostRace):
        lifecycle.claim_stage(run.stages.get(name=name).pk, "rival")


def test_a_finished_stage_is_not_claimed() -> None:
    run = make_green_run()
    with pytest.raises(LostRace):
        lifecycle.claim_stage(run.stages.get(name="build").pk, "rival")


def test_a_dead_workers_stage_is_taken_over_with_the_same_attempt_container_and_log() -> None:
    run = make_run()
    attempt = start_stage(run, "build")
    _expire(attempt)
    claim = lifecycle.claim_stage(attempt.stage_id, "rival")
    assert claim.resumed
    taken = claim.attempt
    assert (taken.pk, taken.container, taken.log) == (attempt.pk, attempt.container, attempt.log)
    assert (taken.owner, taken.fence) == ("rival", 2)
    assert Attempt.objects.filter(stage=attempt.stage).count() == 1


def test_after_a_takeover_everything_that_the_former_owner_writes_is_refused() -> None:
    run = make_run()
    attempt = start_stage(run, "build")
    _expire(attempt)
    lifecycle.claim_stage(attempt.stage_id, "rival")
    with pytest.raises(LostLease):
        lifecycle.renew(attempt)
    with pytest.raises(LostLease):
        lifecycle.note_container(attempt, "another")
    with pytest.raises(LostLease):
        lifecycle.finish_attempt(attempt, Status.SUCCEEDED)
    stored = Attempt.objects.get(pk=attempt.pk)
    assert (stored.status, stored.container, stored.owner) == (Status.RUNNING, attempt.container, "rival")
    assert _statuses(run)["build"] == Status.RUNNING


def test_a_worker_that_lets_go_is_replaced_at_once() -> None:
    attempt = start_stage(make_run(), "build")
    lifecycle.let_go(attempt)
    assert lifecycle.claim_stage(attempt.stage_id, "rival").resumed


def test_a_renewal_hears_of_the_wish_to_stop() -> None:
    run = make_run()
    attempt = start_stage(run, "build")
    assert lifecycle.renew(attempt) is None
    lifecycle.cancel(run, "ada (#1)")
    assert lifecycle.renew(attempt) is not None


@pytest.mark.django_db(transaction=True)
def test_of_twenty_rivals_exactly_one_claims_the_stage() -> None:
    stage = make_run().stages.get(name="build")
    results = race(20, lambda number: lifecycle.claim_stage(stage.pk, f"rival {number}").attempt.owner)
    winners = [result for result in results if isinstance(result, str)]
    assert len(winners) == 1
    assert sum(isinstance(result, LostRace) for result in results) == 19
    assert Attempt.objects.get(stage=stage).owner == winners[0]


@pytest.mark.django_db(transaction=True)
def test_of_six_rival_processes_exactly_one_claims_each_stage() -> None:
    stages = list(make_run(spec=WIDE).stages.order_by("position").values_list("pk", flat=True))

    def claim_all(number: int) -> int:
        won = 0
        for stage in stages:
            try:
                lifecycle.claim_stage(stage, f"rival {number}")
                won += 1
            except LostRace:
                pass
        return won

    assert sum(race_processes(6, claim_all)) == len(stages)
    assert Attempt.objects.filter(stage__in=stages).count() == len(stages)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_rivals_exactly_one_takes_a_dead_workers_stage_over() -> None:
    attempt = start_stage(make_run(), "build")
    _expire(attempt)
    results = race(20, lambda number: lifecycle.claim_stage(attempt.stage_id, f"rival {number}"))
    assert sum(isinstance(result, lifecycle.Claim) for result in results) == 1
    assert Attempt.objects.get(pk=attempt.pk).fence == 2


# What follows


def test_a_success_queues_what_needed_it() -> None:
    run = make_run(spec=DIAMOND)
    finish_stage(run, "top")
    assert _statuses(run) == {"top": "succeeded", "left": "queued", "right": "queued", "bottom": "pending"}
    finish_stage(run, "left")
    assert _statuses(run)["bottom"] == "pending"
    finish_stage(run, "right")
    assert _statuses(run)["bottom"] == "queued"
    finish_stage(run, "bottom")
    assert _stored(run).status == Status.SUCCEEDED


def test_a_failure_skips_what_needed_it_and_lets_the_others_end() -> None:
    run = make_run(spec=DIAMOND)
    finish_stage(run, "top")
    finish_stage(run, "left", Status.FAILED)
    assert _statuses(run) == {"top": "succeeded", "left": "failed", "right": "queued", "bottom": "skipped"}
    assert run.stages.get(name="bottom").reason == "left did not succeed"
    assert _stored(run).status == Status.RUNNING
    finish_stage(run, "right")
    stored = _stored(run)
    assert stored.status == Status.FAILED
    assert stored.reason.startswith("left: ")
    assert stored.finished_at is not None


def test_an_errored_stage_makes_the_run_errored_even_when_another_failed() -> None:
    run = make_run(spec=DIAMOND)
    finish_stage(run, "top")
    finish_stage(run, "left", Status.FAILED)
    finish_stage(run, "right", Status.ERRORED)
    assert _stored(run).status == Status.ERRORED


def test_a_finished_attempt_closes_its_log_and_keeps_its_exit_code() -> None:
    run = make_run()
    attempt = finish_stage(run, "build", Status.FAILED, exit_code=3)
    stored = Attempt.objects.get(pk=attempt.pk)
    assert (stored.status, stored.exit_code) == (Status.FAILED, 3)
    assert stored.log.closed_at is not None
    assert stored.took_seconds is not None


def test_settling_again_changes_nothing() -> None:
    run = make_run(spec=DIAMOND)
    finish_stage(run, "top")
    rows = Transition.objects.count()
    lifecycle.settle(run.pk)
    lifecycle.settle(run.pk)
    assert Transition.objects.count() == rows


def test_a_run_whose_planner_died_before_settling_is_settled_by_the_next_look() -> None:
    run = make_run(spec=DIAMOND)
    Stage.objects.filter(run=run, name="top").update(**{"status": Status.PENDING})  # as it stood before
    lifecycle.settle(run.pk)
    assert _statuses(run)["top"] == "queued"


@pytest.mark.django_db(transaction=True)
def test_stages_that_end_at_the_same_moment_leave_nothing_unsettled() -> None:
    text = "image: busybox\nstages:\n"
    text += "".join(f'  a{n}: {{needs: [], steps: ["true"]}}\n' for n in range(4))
    text += "".join(f'  b{n}: {{needs: [a{n}], steps: ["true"]}}\n' for n in range(4))
    text += '  last: {needs: [a0, a1, a2, a3], steps: ["true"]}\n'
    for _ in range(3):
        run = make_run(spec=text)
        attempts = [start_stage(run, f"a{n}") for n in range(4)]

        def finish(number: int, attempts: list[Attempt] = attempts) -> None:
            lifecycle.finish_attempt(attempts[number], Status.SUCCEEDED, exit_code=0)

        assert race(4, finish) == [None] * 4
        queued = {name for name, status in _statuses(run).items() if status == Status.QUEUED}
        assert queued == {"b0", "b1", "b2", "b3", "last"}


@pytest.mark.django_db(transaction=True)
def test_stages_that_all_end_at_once_give_one_verdict() -> None:
    run = make_run(spec=WIDE)
    attempts = [start_stage(run, f"s{n}") for n in range(8)]
    race(8, lambda number: lifecycle.finish_attempt(attempts[number], Status.SUCCEEDED, exit_code=0))
    assert _stored(run).status == Status.SUCCEEDED
    ends = Transition.objects.filter(subject_kind="run", subject_id=run.pk, to_status__in=FINAL)
    assert ends.count() == 1


# Cancel


def test_a_queued_run_is_cancelled_at_once() -> None:
    run = make_run(spec=None)
    lifecycle.cancel(run, "ada (#1)", "wrong branch")
    stored = _stored(run)
    assert (stored.status, stored.cancel_requested_by) == (Status.CANCELLED, "ada (#1)")
    act = Act.objects.get()
    assert (act.actor, act.verb, act.reason) == ("ada (#1)", "cancelled", "wrong branch")


def test_a_run_of_which_nothing_has_begun_is_cancelled_at_once() -> None:
    run = make_run()
    lifecycle.cancel(run, "ada (#1)")
    assert set(_statuses(run).values()) == {Status.CANCELLED}
    assert _stored(run).status == Status.CANCELLED


def test_of_a_running_run_the_rest_never_starts_and_the_owner_stops_what_runs() -> None:
    run = make_run(spec=DIAMOND)
    finish_stage(run, "top")
    attempt = start_stage(run, "left")
    lifecycle.cancel(run, "ada (#1)")
    assert _statuses(run) == {"top": "succeeded", "left": "running", "right": "cancelled", "bottom": "cancelled"}
    assert _stored(run).status == Status.RUNNING
    lifecycle.finish_attempt(attempt, Status.CANCELLED, reason="cancelled by ada (#1)")
    assert _stored(run).status == Status.CANCELLED


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_a_finished_run_is_not_cancelled(status: Status) -> None:
    run = finish_run(make_run(), status)
    lifecycle.cancel(run, "ada (#1)")
    assert _stored(run).status == status
    assert _stored(run).cancel_requested_at is None
    assert not Act.objects.exists()


def test_cancelling_twice_is_harmless_and_noted_once() -> None:
    run = make_run()
    start_stage(run)
    lifecycle.cancel(run, "ada (#1)")
    lifecycle.cancel(run, "bob (#2)")
    assert _stored(run).cancel_requested_by == "ada (#1)"
    assert Act.objects.count() == 1


def test_a_page_that_shows_an_older_status_cancels_what_there_is_now() -> None:
    run = make_run(spec=None)
    seen = _stored(run)
    assert seen.status == Status.QUEUED
    plan(run)
    lifecycle.cancel(seen, "ada (#1)")
    assert _stored(run).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_a_cancel_that_races_with_claims_always_ends_the_run() -> None:
    for _ in range(4):
        run = make_run(spec=WIDE)
        stages = list(run.stages.order_by("position").values_list("pk", flat=True))

        def claim_or_cancel(number: int, run: Run = run, stages: list[int] = stages) -> None:
            if number == 0:
                lifecycle.cancel(_stored(run), "ada (#1)")
                return
            for stage in stages[number - 1 :: 3]:
                attempt = lifecycle.claim_stage(stage, OWNER).attempt
                lifecycle.finish_attempt(attempt, Status.CANCELLED)

        results = race(4, claim_or_cancel)
        assert results[0] is None
        assert all(result is None or isinstance(result, LostRace) for result in results)
        assert _stored(run).status == Status.CANCELLED
        assert set(_statuses(run).values()) == {Status.CANCELLED}


# Who is told


def test_each_status_of_a_run_is_told_to_its_code_host() -> None:
    finish_run(make_run(make_project(code_host_name="acme/shop")))
    told = Message.objects.filter(channel=Channel.COMMIT_STATUS).order_by("transition")
    assert list(told.values_list("transition__to_status", flat=True)) == ["queued", "running", "succeeded"]


def test_the_chat_hears_of_a_run_that_failed_on_the_default_branch_and_of_no_other() -> None:
    project = make_project(chat_channel="#shop")
    finish_run(make_run(project, ref="refs/heads/feature"), Status.FAILED)
    finish_run(make_run(project), Status.SUCCEEDED)
    assert not Message.objects.exists()
    finish_run(make_run(project), Status.FAILED)
    message = Message.objects.get()
    assert message.transition is not None
    assert (message.channel, message.transition.to_status) == (Channel.CHAT, Status.FAILED)


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_the_verdict_of_a_failing_run_never_wait_for_each_other() -> None:
    stages = "".join(f'  b{n}: {{needs: [a], steps: ["true"]}}\n' for n in range(12))
    for _ in range(10):
        run = make_run(spec=f'image: busybox\nstages:\n  a: {{steps: ["true"]}}\n{stages}')
        attempt = start_stage(run, "a")

        def end_or_cancel(number: int, run: Run = run, attempt: Attempt = attempt) -> None:
            if number == 0:
                lifecycle.finish_attempt(attempt, Status.FAILED, exit_code=1)
            elif number == 1:
                lifecycle.cancel(run, "ada (#1)")
            else:
                lifecycle.settle(run.pk)

        assert race(4, end_or_cancel) == [None] * 4
        assert _stored(run).status == Status.FAILED
