"""Where exceptions become outcomes: a story that breaks, a database that is away, a worker that must end."""

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError

from pipelines.deploys.models import Deploy
from pipelines.errors import LostRace, SystemFault, UserError
from pipelines.probes import lifecycle as probes_lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt, Run
from pipelines.states import leases
from pipelines.states.models import Transition
from pipelines.states.status import Status
from runners import planning, probes
from runners.containers import stage as stage_story
from runners.hosts import deploy as deploy_story
from runners.queue import jobs
from runners.queue.interruption import Interrupted
from tests.factories import make_deploy, make_environment, make_live, make_project, make_run

pytestmark = pytest.mark.django_db(transaction=True)  # each job begins with a fresh connection

BUG = ZeroDivisionError("division by zero")
AWAY = [OperationalError("the server closed the connection"), InterfaceError("the connection is closed")]


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
    assert (attempt.status, attempt.stage.status) == (Status.ERRORED, Status.ERRORED)
    assert attempt.reason == "ZeroDivisionError: division by zero"
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
    Attempt.objects.filter(pk=attempt.pk).update(fence=lifecycle.MAX_FENCE, lease_until=leases.until(-1))
    monkeypatch.setattr(stage_story, "run", _raising(AssertionError("it is not begun once more")))
    jobs.run_stage(stage.pk)
    assert _attempt().status == Status.ERRORED
    assert "died again and again" in _attempt().reason


def test_a_worker_goes_on_with_the_next_stage_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(spec="image: busybox\nstages:\n  a: {needs: [], steps: [a]}\n  b: {needs: [], steps: [b]}\n")
    begun: list[str] = []

    def story(claim: lifecycle.Claim) -> None:
        begun.append(claim.attempt.stage.name)
        lifecycle.finish_attempt(claim.attempt, Status.SUCCEEDED, exit_code=0)

    monkeypatch.setattr(stage_story, "run", story)
    jobs.run_stage(run.stages.get(name="a").pk)
    assert begun == ["a", "b"]


def test_a_stage_that_cannot_even_be_claimed_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_run().stages.get(name="build")
    tries: list[int] = []

    def claim(stage_id: int, owner: str) -> None:
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
    for job in (jobs.plan_run, jobs.run_stage, jobs.release_run, jobs.run_deploy, jobs.answer_probe, jobs.poll_project):
        job(999_999)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_code_host_that_does_not_answer_is_a_warning_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    project = make_project(clone_url="/srv/git/is-not-here.git")
    jobs.poll_project(project.pk)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert project.name in caplog.text
    assert "/srv/git/is-not-here.git" in caplog.text


def test_one_ring_plans_every_run_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [make_run(spec=None) for _ in range(3)]
    planned: list[int] = []

    def story(run: Run) -> None:
        planned.append(run.pk)
        lifecycle.reject(run, Status.FAILED, "no spec")

    monkeypatch.setattr(planning, "plan", story)
    jobs.plan_run(runs[0].pk)
    assert planned == [run.pk for run in runs]


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
