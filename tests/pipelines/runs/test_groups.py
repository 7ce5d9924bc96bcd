"""Concurrency groups: places are taken at the claim, in order, and given back at the end."""

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.errors import LostRace
from pipelines.projects.models import Project
from pipelines.runs import lifecycle, turns
from pipelines.runs.groups import GroupFull
from pipelines.runs.models import Run, Stage
from pipelines.spec.model import ConcurrencySpec, PipelineSpec
from pipelines.states.status import Status
from tests.factories import OWNER, finish_stage, make_project, make_run, make_spec, make_stage_spec, plan, start_stage
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _deploying(cancel: str = "none", limit: int = 1, *, build: bool = False) -> PipelineSpec:
    group = ConcurrencySpec("deploy", limit, cancel)
    deploy = make_stage_spec("deploy", *(["build"] if build else []), concurrency=group)
    return make_spec(*([make_stage_spec("build")] if build else []), deploy)


def _whole(cancel: str = "none", limit: int = 1) -> PipelineSpec:
    stages = [make_stage_spec("build"), make_stage_spec("test", "build")]
    return make_spec(*stages, concurrency=ConcurrencySpec("main", limit, cancel))


def _run(project: Project, spec: PipelineSpec, **fields: Any) -> Run:
    return make_run(project, spec=spec, **fields)


def _stage(run: Run, name: str = "deploy") -> Stage:
    return Stage.objects.get(run=run, name=name)


def _status(run: Run) -> str:
    return Run.objects.get(pk=run.pk).status


def test_of_a_group_of_one_the_second_waits_for_the_first() -> None:
    project = make_project()
    first, second = _run(project, _deploying()), _run(project, _deploying())
    with pytest.raises(GroupFull):
        lifecycle.claim_stage(_stage(second).pk, OWNER)
    start_stage(first)
    with pytest.raises(GroupFull, match="1 ahead"):
        lifecycle.claim_stage(_stage(second).pk, OWNER)
    assert _stage(second).status == Status.QUEUED


def test_the_next_may_begin_when_one_has_ended() -> None:
    project = make_project()
    first, second = _run(project, _deploying()), _run(project, _deploying())
    finish_stage(first)
    assert turns.next_stage([]) == _stage(second).pk
    finish_stage(second)
    assert _status(second) == Status.SUCCEEDED


def test_a_later_deploy_does_not_overtake_one_that_is_still_being_built() -> None:
    project = make_project()
    first, second = _run(project, _deploying(build=True)), _run(project, _deploying(build=True))
    finish_stage(second, "build")
    assert _stage(second).pk not in turns.due_stages(10)
    with pytest.raises(GroupFull):
        lifecycle.claim_stage(_stage(second).pk, OWNER)
    finish_stage(first, "build", Status.FAILED)
    assert turns.next_stage([]) == _stage(second).pk


def test_groups_of_other_projects_and_of_other_names_are_no_concern() -> None:
    start_stage(_run(make_project(), _deploying()))
    start_stage(_run(make_project(), _deploying()))
    project = make_project()
    start_stage(_run(project, _deploying()))
    start_stage(_run(project, make_spec(make_stage_spec("deploy", concurrency=ConcurrencySpec("staging")))))


def test_a_group_of_two_takes_two_at_once() -> None:
    project = make_project()
    runs = [_run(project, _deploying(limit=2)) for _ in range(3)]
    start_stage(runs[0])
    start_stage(runs[1])
    assert turns.due_stages(10) == []


def test_stages_of_one_run_in_one_group_come_one_after_the_other_whatever_they_need() -> None:
    group = ConcurrencySpec("database")
    stages = [make_stage_spec("first", "second", concurrency=group), make_stage_spec("second", concurrency=group)]
    run = _run(make_project(), make_spec(*stages))
    finish_stage(run, "second")
    finish_stage(run, "first")
    assert _status(run) == Status.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_of_many_rivals_no_two_are_in_a_group_of_one() -> None:
    project = make_project()
    stages = [_stage(_run(project, _deploying())) for _ in range(6)]
    results = race(12, lambda number: lifecycle.claim_stage(stages[number % 6].pk, f"rival {number}"))
    assert sum(isinstance(result, lifecycle.Claim) for result in results) == 1
    assert all(isinstance(result, lifecycle.Claim | LostRace) for result in results)
    assert _stage(stages[0].run).status == Status.RUNNING


# Groups of whole runs


def test_a_run_holds_its_place_from_its_first_stage_to_its_end() -> None:
    project = make_project()
    first, second = _run(project, _whole()), _run(project, _whole())
    finish_stage(first, "build")
    assert turns.due_stages(10) == [_stage(first, "test").pk]
    with pytest.raises(GroupFull):
        lifecycle.claim_stage(_stage(second, "build").pk, OWNER)
    finish_stage(first, "test")
    assert turns.due_stages(10) == [_stage(second, "build").pk]
    start_stage(second, "build")


def test_a_run_that_was_planned_late_waits_for_the_later_one_that_is_in() -> None:
    project = make_project()
    late, early = make_run(project, spec=None), _run(project, _whole())
    start_stage(early, "build")
    plan(late, _whole())
    with pytest.raises(GroupFull):
        lifecycle.claim_stage(_stage(late, "build").pk, OWNER)


def test_a_run_that_may_not_enter_keeps_nobody_from_a_group_of_stages() -> None:
    project = make_project()
    both = make_spec(
        make_stage_spec("build"),
        make_stage_spec("deploy", "build", concurrency=ConcurrencySpec("deploy")),
        concurrency=ConcurrencySpec("main"),
    )
    late, early = make_run(project, spec=None), _run(project, both)
    finish_stage(early, "build")
    plan(late, both)
    finish_stage(early, "deploy")
    assert turns.due_stages(10) == [_stage(late, "build").pk]


def test_a_newcomer_cancels_the_run_before_it() -> None:
    project = make_project()
    older = _run(project, _whole("running"))
    attempt = start_stage(older, "build")
    newer = _run(project, _whole("running"))
    assert lifecycle.renew(attempt) is not None
    lifecycle.finish_attempt(attempt, Status.CANCELLED)
    assert _status(older) == Status.CANCELLED
    assert _stage(older, "build").reason == f"superseded by run {newer.number}"
    assert _status(newer) == Status.RUNNING
    start_stage(newer, "build")


def test_a_newcomer_that_spares_what_runs_cancels_only_what_waits() -> None:
    project = make_project()
    running, waiting = _run(project, _whole("pending")), _run(project, _whole("none"))
    start_stage(running, "build")
    newer = _run(project, _whole("pending"))
    assert [_status(run) for run in (running, waiting, newer)] == [Status.RUNNING, Status.CANCELLED, Status.RUNNING]


def test_a_deploy_stage_that_comes_cancels_the_one_that_waits_and_no_other_stage_of_its_run() -> None:
    project = make_project()
    running = _run(project, _deploying())
    start_stage(running)
    older, newer = _run(project, _deploying("pending", build=True)), _run(project, _deploying("pending", build=True))
    finish_stage(newer, "build")
    assert _stage(running).status == Status.RUNNING
    assert (_stage(older).status, _stage(older).reason) == (Status.CANCELLED, f"superseded by run {newer.number}")
    assert _stage(older, "build").status == Status.QUEUED
    finish_stage(older, "build")
    assert _status(older) == Status.CANCELLED


def test_a_stage_that_runs_is_stopped_alone_where_its_group_says_so() -> None:
    project = make_project()
    older, newer = _run(project, _deploying("running")), make_run(project, spec=None)
    attempt = start_stage(older)
    plan(newer, _deploying("running"))
    assert lifecycle.renew(attempt) is not None
    assert Run.objects.get(pk=older.pk).cancel_requested_at is None
    lifecycle.finish_attempt(attempt, Status.CANCELLED)
    assert _stage(older).reason == f"superseded by run {newer.number}"


def test_room_that_nobody_made_in_time_is_made_by_the_next_look() -> None:
    project = make_project()
    older, newer = _run(project, _whole()), _run(project, _whole())
    Run.objects.filter(pk=newer.pk).update(group_cancel="pending")  # as if it had died before it made room
    lifecycle.make_room()
    assert [_status(older), _status(newer)] == [Status.CANCELLED, Status.RUNNING]
    lifecycle.make_room()
    assert _status(newer) == Status.RUNNING


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("spec", [_deploying("running"), _whole("running")], ids=["stages", "runs"])
def test_newcomers_claims_ends_and_cancels_at_the_same_moment_never_wait_for_each_other(spec: PipelineSpec) -> None:
    for _ in range(3):
        project = make_project()
        begun = _run(project, spec)
        attempt = start_stage(begun)
        waiting = [make_run(project, spec=None) for _ in range(3)]
        acts: list[Callable[[], object]] = [
            lambda attempt=attempt: lifecycle.finish_attempt(attempt, Status.SUCCEEDED, exit_code=0),  # type: ignore[misc]
            lambda run=waiting[0]: plan(run, spec),  # type: ignore[misc]
            lambda run=waiting[1]: plan(run, spec),  # type: ignore[misc]
            lambda run=waiting[2]: plan(run, spec),  # type: ignore[misc]
            lambda run=begun: lifecycle.cancel(run, "ada (#1)"),  # type: ignore[misc]
            lifecycle.make_room,
            lambda: [lifecycle.claim_stage(stage, OWNER) for stage in turns.due_stages(10)],
        ]
        results = race(len(acts), lambda number, acts=acts: acts[number]())  # type: ignore[misc]
        assert [r for r in results if isinstance(r, Exception) and not isinstance(r, LostRace)] == []
        lifecycle.make_room()
        newest = waiting[-1]
        assert _status(newest) == Status.RUNNING
        for run in (begun, *waiting[:-1]):
            stored = Run.objects.get(pk=run.pk)
            stages = list(run.stages.values_list("cancel_requested_at", "finished_at"))
            assert stored.is_final or stored.cancel_requested_at or any(any(times) for times in stages)
