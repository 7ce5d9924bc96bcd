"""From a spec to stages."""

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.errors import LostRace
from pipelines.runs import lifecycle
from pipelines.runs.models import EventKind, Run, Stage
from pipelines.spec.parser import parse
from pipelines.states import leases
from pipelines.states.leases import LostLease
from pipelines.states.models import Transition
from pipelines.states.status import Status
from tests.factories import SPEC, finish_stage, make_project, make_run, plan

pytestmark = pytest.mark.django_db

GATED = """\
image: busybox
stages:
  build: {steps: ["true"]}
  publish:
    needs: [build]
    when: {event: tag}
    steps: ["true"]
  notify: {needs: [publish], steps: ["true"]}
"""


def _stages(run: Run) -> dict[str, Stage]:
    return {stage.name: stage for stage in run.stages.all()}


def test_a_planned_run_runs_and_its_first_stages_are_queued() -> None:
    run = make_run()
    stages = _stages(run)
    assert run.status == Status.RUNNING
    assert [stages[name].status for name in ("build", "test")] == [Status.QUEUED, Status.PENDING]
    assert [stages[name].position for name in ("build", "test")] == [0, 1]
    assert stages["test"].needs == ["build"]


def test_the_ledger_shows_how_every_stage_began() -> None:
    stages = _stages(make_run())
    rows = Transition.objects.filter(subject_kind="stage", subject_id=stages["build"].pk).order_by("pk")
    assert list(rows.values_list("from_status", "to_status")) == [("", "pending"), ("pending", "queued")]


def test_planning_twice_makes_the_stages_once() -> None:
    run = make_run()
    stale = Run.objects.get(pk=run.pk)
    stale.status = Status.QUEUED  # as another planner, who read it earlier, still remembers it
    with pytest.raises(LostRace):
        plan(stale, SPEC)
    assert run.stages.count() == 2


def test_a_cancelled_run_is_not_planned() -> None:
    run = make_run(spec=None)
    stale = Run.objects.get(pk=run.pk)
    lifecycle.cancel(run, "ada (#1)")
    with pytest.raises(LostRace):
        plan(stale, SPEC)
    assert not run.stages.exists()


def test_a_stage_that_does_not_apply_is_skipped_and_stands_in_nobodys_way() -> None:
    run = make_run(spec=GATED)
    stages = _stages(run)
    assert stages["publish"].status == Status.SKIPPED
    assert "`when` does not match" in stages["publish"].reason
    assert stages["notify"].needs == ["build"]
    finish_stage(run, "build")
    assert _stages(run)["notify"].status == Status.QUEUED


def test_a_stage_whose_condition_holds_is_planned() -> None:
    run = make_run(spec=GATED, kind=EventKind.TAG, ref="refs/tags/v1")
    assert _stages(run)["publish"].status == Status.PENDING


def test_a_run_in_which_nothing_applies_has_succeeded() -> None:
    run = make_run(spec='image: busybox\nstages:\n  only: {when: {event: tag}, steps: ["true"]}\n')
    run.refresh_from_db()
    assert run.status == Status.SUCCEEDED


@pytest.mark.parametrize(("kind", "ref"), [(EventKind.PUSH, "refs/heads/main"), (EventKind.TAG, "refs/tags/v1")])
def test_push_and_tag_runs_carry_their_deploy_section(kind: EventKind, ref: str) -> None:
    run = make_run(kind=kind, ref=ref)
    assert run.deploy_spec is not None
    assert run.deploy_spec["artifact"].startswith("dist")


def test_a_run_by_hand_carries_none() -> None:
    assert make_run(kind=EventKind.MANUAL).deploy_spec is None


def test_a_rejected_run_says_why_and_has_no_stages() -> None:
    run = make_run(spec=None)
    problems = [{"line": 3, "column": 5, "message": "unknown key"}]
    lifecycle.reject(run, Status.FAILED, "the spec is not good", problems)
    stored = Run.objects.get(pk=run.pk)
    assert (stored.status, stored.reason, stored.problems) == (Status.FAILED, "the spec is not good", problems)
    assert stored.finished_at is not None
    assert not stored.stages.exists()


def test_an_expired_planner_neither_plans_nor_rejects_what_another_has_taken_over() -> None:
    run = make_run(spec=None)
    expired = lifecycle.claim_planning(run.pk, "planner")
    Run.objects.filter(pk=run.pk).update(lease_until=leases.until(-1))
    other = lifecycle.claim_planning(run.pk, "another")
    with pytest.raises(LostLease):
        plan(expired, SPEC)
    with pytest.raises(LostLease):
        lifecycle.reject(expired, Status.FAILED, "too late")
    run.refresh_from_db()
    assert (run.status, run.stages.count()) == (Status.QUEUED, 0)
    plan(other, SPEC)
    assert Run.objects.get(pk=run.pk).status == Status.RUNNING


def test_planning_many_stages_takes_no_more_statements_than_their_ledger_needs(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    stages = "".join(f'  s{n}: {{needs: [], steps: ["true"]}}\n' for n in range(40))
    run = make_run(make_project(), spec=None)
    spec = parse(f"image: busybox\nstages:\n{stages}")
    with django_assert_max_num_queries(140):  # a ledger row each, twice, and a status each
        lifecycle.plan(run, spec, sha=run.sha, digest="d", title="t", author="a")
    assert run.stages.filter(status=Status.QUEUED).count() == 40
