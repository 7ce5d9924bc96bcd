"""Where exceptions become outcomes: a story that breaks, a database that is away, a worker that must end."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import InterfaceError, OperationalError

from pipelines.deploys import lifecycle as deploys_lifecycle
from pipelines.deploys.models import Deploy
from pipelines.errors import LostRace, SystemFault, UserError
from pipelines.probes import lifecycle as probes_lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states import leases
from pipelines.states.models import Transition
from pipelines.states.status import Status
from runners import heartbeat, planning, probes
from runners.containers import stage as stage_story
from runners.hosts import deploy as deploy_story
from runners.queue import jobs
from runners.queue.interruption import Interrupted
from tests.factories import make_deploy, make_environment, make_live, make_run, start_stage
from tests.lab.patience import until

pytestmark = pytest.mark.django_db(transaction=True)  # each job begins with a fresh connection

BUG = ZeroDivisionError("division by zero")
AWAY = [OperationalError("the server closed the connection"), InterfaceError("the connection is closed")]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes on with what waits is not stopped by the time that it takes here."""
    monkeypatch.setattr(jobs, "PLANNING_ON_SECONDS", 600.0)


def _raising(error: BaseException) -> Callable[..., None]:
    def story(*_: object) -> None:
        raise error

    return story


def _attempt() -> Attempt:
    return Attempt.objects.select_related("stage").get()


def test_a_stage_whose_story_breaks_is_errored_and_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    monkeypatch.setattr(stage_story, "run", _raising(BUG))
    jobs.run_stage(stage.pk)
    attempt = _attempt()
    assert (attempt.status, attempt.stage.status) == (Status.ERRORED, Status.QUEUED)
    assert attempt.reason == "ZeroDivisionError: division by zero"
    for _ in range(2):  # so often what is ours to answer for is tried again, unless the spec says otherwise
        Stage.objects.update(ready_at=None)
        jobs.run_stage(stage.pk)
    assert Stage.objects.get(pk=stage.pk).status == Status.ERRORED
    assert Run.objects.get().status == Status.ERRORED


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_stage_during_which_the_database_was_away_is_left_to_be_taken_over(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    stage = make_run().stages.get(name="build")
    monkeypatch.setattr(stage_story, "run", _raising(error))
    jobs.run_stage(stage.pk)
    attempt = _attempt()
    assert attempt.status == Status.RUNNING
    leases.let_go(Attempt.objects.all(), attempt.fence)
    assert lifecycle.claim_stage(stage.pk, "rival").resumed


def test_a_worker_that_must_end_lets_go_of_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    monkeypatch.setattr(stage_story, "run", _raising(Interrupted()))
    with pytest.raises(Interrupted):
        jobs.run_stage(stage.pk)
    assert _attempt().status == Status.RUNNING
    assert lifecycle.claim_stage(stage.pk, "rival").resumed


def test_a_stage_that_was_taken_over_is_left_to_its_new_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    monkeypatch.setattr(stage_story, "run", _raising(LostRace("taken over")))
    jobs.run_stage(stage.pk)
    assert _attempt().status == Status.RUNNING


def test_a_stage_that_takes_its_runners_down_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    attempt = lifecycle.claim_stage(stage.pk, "worker").attempt
    for _ in range(leases.MAX_DEATHS - 1):
        Attempt.objects.filter(pk=attempt.pk).update(lease_until=leases.until(-1))
        lifecycle.claim_stage(stage.pk, "worker")
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=leases.until(-1))
    monkeypatch.setattr(stage_story, "run", _raising(AssertionError("it is not begun once more")))
    jobs.run_stage(stage.pk)
    assert _attempt().status == Status.ERRORED
    assert "died again and again" in _attempt().reason


def test_a_stage_whose_workers_are_restarted_ever_so_often_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    monkeypatch.setattr(stage_story, "run", _raising(Interrupted()))
    for _ in range(2 * leases.MAX_DEATHS):
        with pytest.raises(Interrupted):
            jobs.run_stage(stage.pk)
    assert (_attempt().status, _attempt().deaths) == (Status.RUNNING, 0)


def test_a_deploy_whose_workers_are_restarted_ever_so_often_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = make_deploy(make_environment())
    monkeypatch.setattr(deploy_story, "run", _raising(Interrupted()))
    for _ in range(2 * leases.MAX_DEATHS):
        with pytest.raises(Interrupted):
            jobs.run_deploy(deploy.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.deaths) == (Status.RUNNING, 0)


def test_a_deploy_that_takes_its_workers_down_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = make_deploy(make_environment())
    deploys_lifecycle.claim_deploy(deploy.pk, "worker")
    Deploy.objects.update(deaths=leases.MAX_DEATHS - 1, lease_until=leases.until(-1))
    monkeypatch.setattr(deploy_story, "run", _raising(AssertionError("it is not begun once more")))
    jobs.run_deploy(deploy.pk)
    deploy.refresh_from_db()
    assert deploy.status == Status.ERRORED
    assert "died again and again" in deploy.reason


def test_of_a_deploy_that_is_given_up_with_machines_of_its_own_it_is_said_that_they_may_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy = make_deploy(make_environment(strategy={"kind": "replace", "waves": ["rest"]}))
    monkeypatch.setattr(deploy_story, "run", _raising(AssertionError("a fault of ours")))
    jobs.run_deploy(deploy.pk)
    deploy.refresh_from_db()
    assert deploy.reason.endswith("look in the cloud which of them run")


def test_a_run_that_takes_its_planners_down_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(spec=None)
    for _ in range(leases.MAX_DEATHS):
        lifecycle.claim_planning(run.pk, "planner")
        Run.objects.filter(pk=run.pk).update(lease_until=leases.until(-1))
    monkeypatch.setattr(planning, "plan", _raising(AssertionError("it is not planned once more")))
    jobs.plan_run(run.pk)
    run.refresh_from_db()
    assert run.status == Status.ERRORED
    assert run.reason == "it could not be planned: its workers died again and again; see their logs"


def test_a_run_whose_planners_are_restarted_ever_so_often_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(spec=None)
    monkeypatch.setattr(planning, "plan", _raising(Interrupted()))
    for _ in range(2 * leases.MAX_DEATHS):
        with pytest.raises(Interrupted):
            jobs.plan_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.deaths) == (Status.QUEUED, 0)


def _wide(width: int) -> Run:
    stages = "".join(f"  s{place}: {{needs: [], steps: [go]}}\n" for place in range(width))
    return make_run(spec=f"image: busybox\nstages:\n{stages}")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Run and name of every stage that was performed, each of which succeeds at once."""
    stages: list[tuple[int, str]] = []

    def story(claim: lifecycle.Claim) -> None:
        stages.append((claim.attempt.stage.run_id, claim.attempt.stage.name))
        lifecycle.finish_attempt(claim.attempt, Status.SUCCEEDED, exit_code=0)

    monkeypatch.setattr(stage_story, "run", story)
    return stages


def test_a_worker_goes_on_with_whatever_waits(begun: list[tuple[int, str]]) -> None:
    first, second = _wide(2), _wide(1)
    jobs.run_stage(first.stages.get(name="s0").pk)
    assert begun == [(first.pk, "s0"), (first.pk, "s1"), (second.pk, "s0")]


def test_no_run_takes_another_worker_while_one_waits_that_has_none(begun: list[tuple[int, str]]) -> None:
    large = _wide(5)
    start_stage(large)
    small = _wide(1)
    jobs.run_stage(large.stages.get(name="s1").pk)
    assert begun[0] == (small.pk, "s0")
    assert len(begun) == 5


def test_runs_that_hold_as_many_workers_have_their_turns_by_age(begun: list[tuple[int, str]]) -> None:
    older, newer = _wide(2), _wide(2)
    start_stage(newer)
    start_stage(older)
    jobs.run_stage(newer.stages.get(name="s1").pk)
    assert begun == [(older.pk, "s1"), (newer.pk, "s1")]


def test_what_was_lost_is_taken_over_before_anything_is_begun(begun: list[tuple[int, str]]) -> None:
    waiting, lost = _wide(1), start_stage(_wide(1))
    lifecycle.let_go(lost)
    jobs.run_stage(waiting.stages.get(name="s0").pk)
    assert begun == [(lost.stage.run_id, "s0"), (waiting.pk, "s0")]


def test_a_worker_does_not_go_on_for_ever(begun: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "STAGES_ON_SECONDS", 0.0)
    run = _wide(3)
    jobs.run_stage(run.stages.get(name="s0").pk)
    assert begun == [(run.pk, "s0")]


def test_a_stage_that_cannot_even_be_claimed_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    tries: list[int] = []

    def claim(stage_id: int, owner: str, labels: object) -> None:
        tries.append(stage_id)
        raise BUG

    monkeypatch.setattr(lifecycle, "claim_stage", claim)
    jobs.run_stage(stage.pk)
    assert tries == [stage.pk]


def test_a_ring_that_comes_late_is_harmless(caplog: pytest.LogCaptureFixture) -> None:
    environment = make_environment()
    deploy = make_live(environment)
    run = deploy.release.run
    rows = Transition.objects.count()
    jobs.plan_run(run.pk)
    jobs.run_stage(run.stages.get(name="test").pk)
    jobs.release_run(run.pk)
    jobs.run_deploy(deploy.pk)
    assert Transition.objects.count() == rows
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_ring_for_what_has_been_deleted_is_harmless(caplog: pytest.LogCaptureFixture) -> None:
    for job in (jobs.plan_run, jobs.run_stage, jobs.release_run, jobs.run_deploy, jobs.answer_probe):
        job(999_999)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every run that was planned, which comes to nothing."""
    runs: list[int] = []

    def story(run: Run) -> None:
        runs.append(run.pk)
        lifecycle.reject(run, Status.FAILED, "no spec")

    monkeypatch.setattr(planning, "plan", story)
    return runs


def test_one_ring_plans_every_run_that_waits(planned: list[int]) -> None:
    runs = [make_run(spec=None) for _ in range(3)]
    jobs.plan_run(runs[0].pk)
    assert planned == [run.pk for run in runs]


def test_a_planner_with_much_to_do_soon_looks_whether_a_release_or_a_question_waits(
    planned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PLANNING_ON_SECONDS", 0.0)
    runs = [make_run(spec=None) for _ in range(5)]
    jobs.plan_run(runs[4].pk)
    assert planned == [runs[0].pk]


def test_a_run_that_cannot_be_planned_by_our_fault_is_errored(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(spec=None)
    monkeypatch.setattr(planning, "plan", _raising(BUG))
    jobs.plan_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.reason) == (Status.ERRORED, "it could not be planned: ZeroDivisionError: division by zero")


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_run_during_whose_planning_the_database_was_away_waits_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = make_run(spec=None)
    monkeypatch.setattr(planning, "plan", _raising(error))
    jobs.plan_run(run.pk)
    run.refresh_from_db()
    assert run.status == Status.QUEUED


def test_a_deploy_whose_story_breaks_is_errored_and_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = make_deploy(make_environment())
    monkeypatch.setattr(deploy_story, "run", _raising(BUG))
    jobs.run_deploy(deploy.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.reason) == (Status.ERRORED, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_deploy_during_which_the_database_was_away_is_left_to_be_taken_over(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    deploy = make_deploy(make_environment())
    monkeypatch.setattr(deploy_story, "run", _raising(error))
    jobs.run_deploy(deploy.pk)
    deploy.refresh_from_db()
    assert deploy.status == Status.RUNNING


def test_a_worker_that_must_end_lets_go_of_its_deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = make_deploy(make_environment())
    monkeypatch.setattr(deploy_story, "run", _raising(Interrupted()))
    with pytest.raises(Interrupted):
        jobs.run_deploy(deploy.pk)
    assert Deploy.objects.filter(leases.expired(), pk=deploy.pk, status=Status.RUNNING).exists()


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (UserError("no such region"), Status.FAILED, "no such region"),
        (SystemFault("the network broke"), Status.ERRORED, "the network broke"),
        (BUG, Status.ERRORED, "ZeroDivisionError: division by zero"),
    ],
    ids=["theirs", "ours", "a bug"],
)
def test_a_probe_that_cannot_be_answered_says_why(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: Status, told: str
) -> None:
    probe = probes_lifecycle.ask(Kind.INVENTORY, 1, "ada (#1)")
    monkeypatch.setattr(probes, "answer", _raising(error))
    jobs.answer_probe(probe.pk)
    stored = Probe.objects.get(pk=probe.pk)
    assert (stored.status, stored.reason) == (status, told)


def test_a_question_that_takes_longer_than_its_lease_is_still_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = probes_lifecycle.ask(Kind.INVENTORY, 1, "ada (#1)")
    monkeypatch.setattr(heartbeat, "INTERVAL_SECONDS", 0.1)

    def lease_ends_at() -> datetime:
        lease_until = Probe.objects.get(pk=probe.pk).lease_until
        assert lease_until is not None
        return lease_until

    def answer(_probe: Probe) -> list[str]:
        first = lease_ends_at()
        until("its lease to be prolonged", lambda: lease_ends_at() > first)
        return ["web-1"]

    monkeypatch.setattr(probes, "answer", answer)
    jobs.answer_probe(probe.pk)
    assert Probe.objects.get(pk=probe.pk).answer == ["web-1"]


def test_a_worker_that_must_end_leaves_its_question_to_be_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = probes_lifecycle.ask(Kind.INVENTORY, 1, "ada (#1)")
    monkeypatch.setattr(probes, "answer", _raising(Interrupted()))
    with pytest.raises(Interrupted):
        jobs.answer_probe(probe.pk)
    assert probes_lifecycle.abandon_expired() == 1
    assert "ask again" in Probe.objects.get(pk=probe.pk).reason
