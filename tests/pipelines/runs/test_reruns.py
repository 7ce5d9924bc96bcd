"""A run once more: all of it, or only what failed."""

import pytest

from pipelines.audit.models import Act
from pipelines.deploys import releases
from pipelines.errors import UserError
from pipelines.runs import approvals, lifecycle, queries, receiving, reruns
from pipelines.runs.models import Attempt, EventKind, Run, Stage
from pipelines.runs.reruns import NothingToRerun
from pipelines.spec.model import PipelineSpec
from pipelines.states.status import Status
from tests.factories import (
    finish_run,
    finish_stage,
    make_event,
    make_green_run,
    make_project,
    make_red_run,
    make_run,
    make_sha,
    make_spec,
    make_stage_spec,
    plan,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db
ADA = "ada (#1)"


def _spec() -> PipelineSpec:
    return make_spec(
        make_stage_spec("build", artifacts=("dist/",)),
        make_stage_spec("lint"),
        make_stage_spec("test", "build"),
        make_stage_spec("pack", "test", artifacts=("pack/",)),
    )


def _half() -> Run:
    """`build` and `lint` have succeeded, `test` has failed, `pack` was skipped."""
    run = make_run(spec=_spec())
    finish_stage(run, "build")
    finish_stage(run, "lint")
    finish_stage(run, "test", Status.FAILED)
    return run


def _again(run: Run, *, only_failed: bool, spec: PipelineSpec | None = None) -> Run:
    made = reruns.rerun(run, ADA, only_failed=only_failed)
    plan(made, spec or _spec())
    return made


def _statuses(run: Run) -> dict[str, str]:
    return dict(run.stages.order_by("position").values_list("name", "status"))


def test_a_rerun_is_a_new_run_of_the_same_event_and_commit() -> None:
    run = _half()
    made = reruns.rerun(run, ADA)
    same = ("event_kind", "ref", "sha", "before", "parameters", "trusted", "title", "since")
    assert all(getattr(made, name) == getattr(run, name) for name in same)
    assert (made.status, made.rerun_of, made.asked_by) == (Status.QUEUED, run, ADA)
    assert made.number > run.number
    act = Act.objects.get(verb="reran")
    assert (act.actor, act.facts) == (ADA, {"rerun": made.number, "only_failed": False})


def test_all_of_it_begins_anew() -> None:
    made = _again(_half(), only_failed=False)
    assert _statuses(made) == {"build": "queued", "lint": "queued", "test": "pending", "pack": "pending"}


def test_only_what_failed_takes_over_what_had_succeeded_with_its_artifacts_and_logs() -> None:
    run = _half()
    made = _again(run, only_failed=True)
    assert _statuses(made) == {"build": "succeeded", "lint": "succeeded", "test": "queued", "pack": "pending"}
    build, test = made.stages.get(name="build"), made.stages.get(name="test")
    assert build.reason == f"taken over from run {run.number}"
    assert build.taken_from == run.stages.get(name="build")
    assert [artifact.path for artifact in queries.artifacts_for(test)] == ["dist/"]
    assert [attempt.stage_id for attempt in queries.attempts_of(build)] == [build.taken_from_id]
    assert Attempt.objects.filter(stage__run=made).count() == 0
    assert finish_run(made).status == Status.SUCCEEDED


def test_a_rerun_of_a_rerun_takes_over_from_who_did_the_work() -> None:
    run = _half()
    second = _again(run, only_failed=True)
    finish_stage(second, "test", Status.FAILED)
    third = _again(second, only_failed=True)
    assert third.since == run.number
    assert third.stages.get(name="build").taken_from == run.stages.get(name="build")
    assert third.stages.get(name="build").reason == f"taken over from run {run.number}"
    finish_stage(third, "test")
    assert [a.path for a in queries.artifacts_for(third.stages.get(name="pack"))] == ["dist/"]


def test_a_stage_that_reads_otherwise_now_is_not_taken_over() -> None:
    changed = make_spec(make_stage_spec("build", artifacts=("dist/",), env={"FLAGS": "-O2"}), *list(_spec().stages)[1:])
    made = _again(_half(), only_failed=True, spec=changed)
    assert _statuses(made)["build"] == Status.QUEUED


def test_what_mourned_a_failure_mourns_the_next_one_too() -> None:
    spec = make_spec(make_stage_spec("test"), make_stage_spec("mourn", "test", status=("failed",)))
    run = make_run(spec=spec)
    finish_stage(run, "test", Status.FAILED)
    finish_stage(run, "mourn")
    made = _again(run, only_failed=True, spec=spec)
    assert _statuses(made) == {"test": "queued", "mourn": "pending"}
    finish_stage(made, "test")
    assert _statuses(made)["mourn"] == Status.SKIPPED


def test_a_run_that_has_not_ended_is_not_rerun() -> None:
    with pytest.raises(NothingToRerun):
        reruns.rerun(make_run(), ADA)


def test_of_a_green_run_there_is_nothing_that_failed_to_rerun() -> None:
    run = make_green_run()
    with pytest.raises(NothingToRerun):
        reruns.rerun(run, ADA, only_failed=True)
    assert reruns.rerun(run, ADA).number > run.number


def test_a_second_click_is_given_what_the_first_one_started() -> None:
    run = _half()
    first = reruns.rerun(run, ADA)
    assert reruns.rerun(run, ADA) == first
    assert reruns.rerun(run, ADA, only_failed=True) != first
    finish_run(first, Status.FAILED) if first.stages.exists() else lifecycle.cancel(first, ADA)
    assert reruns.rerun(run, ADA) != first


@pytest.mark.django_db(transaction=True)
def test_of_clicks_at_the_same_moment_one_starts_a_rerun_and_the_others_are_given_it() -> None:
    run = _half()
    made = race(6, lambda _: reruns.rerun(run, ADA).pk)
    assert len(set(made)) == 1
    assert run.reruns.count() == 1


def test_a_delivery_that_comes_again_after_a_rerun_starts_nothing() -> None:
    project, sha = make_project(), make_sha()
    run = make_red_run(project, sha=sha)
    reruns.rerun(run, ADA)
    event = make_event(project, sha=sha)
    assert (event.outcome, event.run) == ("known", run)


def test_a_rerun_is_no_sign_that_a_ref_was_pushed_back() -> None:
    project, old, new = make_project(), make_sha(), make_sha()
    first = make_red_run(project, sha=old)
    second = make_red_run(project, sha=new, before=old)
    reruns.rerun(second, ADA)
    event = make_event(project, sha=old, before=new)
    assert event.outcome == "run"
    assert event.run not in (first, second)


def test_a_green_rerun_cuts_the_release_that_its_first_run_could_not() -> None:
    project = make_project()
    run = make_red_run(project)
    made = reruns.rerun(run, ADA)
    plan(made)
    release = releases.release(finish_run(made))
    assert release is not None
    assert release.overtaken_by is None


def test_what_was_taken_over_is_released_as_well() -> None:
    run = make_red_run()
    made = reruns.rerun(run, ADA, only_failed=True)
    plan(made)
    assert _statuses(made) == {"build": "succeeded", "test": "queued"}
    release = releases.release(finish_run(made))
    assert release is not None
    assert release.artifact is not None
    assert release.artifact.attempt.stage.run == run


def test_a_rerun_of_an_old_commit_does_not_overtake_a_newer_ones_release() -> None:
    project = make_project()
    old, _ = make_red_run(project), releases.release(make_green_run(project))
    made = reruns.rerun(old, ADA)
    plan(made)
    release = releases.release(finish_run(made))
    assert release is not None
    assert release.overtaken_by is not None


# Of forks and of what was asked for


def test_an_approval_of_a_forks_commit_counts_for_its_reruns() -> None:
    incoming = receiving.Incoming(
        kind=EventKind.PULL_REQUEST, ref="refs/pull/7/head", sha=make_sha(), actor="mallory", fork=True
    )
    run = receiving.receive(make_project(), incoming).event.run
    assert run is not None
    approvals.approve_run(run, ADA, run.sha)
    run.refresh_from_db()
    plan(run)
    finish_run(run, Status.FAILED)
    made = reruns.rerun(run, "bob (#2)")
    assert (made.status, made.trusted) == (Status.QUEUED, False)
    assert lifecycle.claim_planning(made.pk, "planner").pk == made.pk


def test_a_forks_run_that_nobody_approved_waits_again_as_its_rerun() -> None:
    incoming = receiving.Incoming(
        kind=EventKind.PULL_REQUEST, ref="refs/pull/7/head", sha=make_sha(), actor="mallory", fork=True
    )
    run = receiving.receive(make_project(), incoming).event.run
    assert run is not None
    lifecycle.cancel(run, ADA)
    run.refresh_from_db()
    assert reruns.rerun(run, ADA).status == Status.BLOCKED


def test_a_run_that_never_found_its_commit_is_started_anew_instead() -> None:
    run = receiving.start_manually(make_project(), "refs/heads/main", {}, ADA)
    lifecycle.cancel(run, ADA)
    run.refresh_from_db()
    with pytest.raises(UserError):
        reruns.rerun(run, ADA)


def test_stages_of_the_first_run_stay_as_they_were() -> None:
    run = _half()
    before = list(Stage.objects.filter(run=run).order_by("pk").values())
    finish_run(_again(run, only_failed=True))
    assert list(Stage.objects.filter(run=run).order_by("pk").values()) == before
