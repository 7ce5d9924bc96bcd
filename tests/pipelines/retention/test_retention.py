"""What goes by the rules, what never does, and who carries them out."""

from datetime import datetime, timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import releases
from pipelines.deploys import retention as artifacts
from pipelines.logs import store
from pipelines.logs.models import Chunk, Log
from pipelines.notifications.models import Thread
from pipelines.projects.models import Project
from pipelines.retention import candidates, lifecycle, rules
from pipelines.retention.candidates import Amount
from pipelines.retention.models import Retention, Sweep
from pipelines.retention.rules import BadRule, Rules
from pipelines.runs.models import Artifact, Attempt, Event, Run
from pipelines.runs.reruns import rerun
from pipelines.states.models import Transition
from pipelines.states.status import Status
from tests.factories import (
    finish_run,
    finish_stage,
    make_environment,
    make_event,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_release,
    make_run,
    plan,
)

pytestmark = pytest.mark.django_db
LONG = b"a line of output\n" * 100
YEAR = Rules(runs_days=365, runs_newest=1)


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def now() -> datetime:
    """A day more than a year after what the test makes."""
    return timezone.now() + timedelta(days=366)


def old(project: Project, chosen: Rules, now: datetime) -> set[int]:
    return set(candidates.old_runs(project, chosen, now).values_list("number", flat=True))


def test_without_a_rule_nothing_goes(project: Project, now: datetime) -> None:
    make_red_run(project)
    assert candidates.amount(project, rules.in_force(project), now) == Amount()
    assert not lifecycle.prune(project, rules.in_force(project), now)


def test_a_run_goes_when_it_is_old_and_not_among_the_newest_of_its_branch(project: Project, now: datetime) -> None:
    runs = [make_red_run(project) for _ in range(3)]
    other = make_red_run(project, ref="refs/heads/other")
    assert old(project, Rules(runs_days=365, runs_newest=2), now) == {runs[0].number}
    assert old(project, YEAR, now) == {run.number for run in runs[:2]}
    assert other.number not in old(project, YEAR, now)
    assert old(project, YEAR, timezone.now()) == set()


def test_what_runs_and_what_was_released_stays(project: Project, now: datetime) -> None:
    released, under_way = make_release(project).run, make_run(project)
    make_red_run(project)
    assert released.number not in old(project, YEAR, now)
    assert under_way.number not in old(project, YEAR, now)


def test_a_run_that_another_took_its_work_from_stays_while_that_one_does(project: Project, now: datetime) -> None:
    first = make_run(project)
    finish_stage(first, "build")
    finish_stage(first, "test", Status.FAILED)
    again = rerun(first, "ana (#1)", only_failed=True)
    plan(again)
    finish_run(again)
    make_red_run(project)
    assert first.number not in old(project, YEAR, now)


def test_what_a_green_run_took_over_stays_until_its_release_is_cut(project: Project) -> None:
    """Nobody may have had the time to cut it: the sweep can come first after the server was down."""
    first = make_run(project)
    finish_stage(first, "build")
    finish_stage(first, "test", Status.FAILED)
    long_ago = timezone.now() - timedelta(days=90)
    Run.objects.filter(pk=first.pk).update(finished_at=long_ago)
    Artifact.objects.filter(attempt__stage__run=first).update(expires_at=long_ago)
    again = rerun(first, "ana (#1)", only_failed=True)
    plan(again)
    finish_run(again)
    artifacts.expire()
    lifecycle.prune(project, Rules(artifacts_days=1), timezone.now())
    release = releases.release(Run.objects.get(pk=again.pk))
    assert release is not None
    assert release.artifact is not None
    assert release.artifact.expired_at is None


def test_what_a_rollback_could_go_to_keeps_its_artifact(project: Project, now: datetime) -> None:
    environment = make_environment(project)
    targets = [make_live(environment).release for _ in range(2)]
    make_red_run(project)
    everything = Rules(runs_days=1, runs_newest=1, artifacts_days=1, logs_days=1, events_days=7)
    lifecycle.prune(project, everything, now)
    artifacts.expire(now + timedelta(days=3))
    for release in targets:
        release.refresh_from_db()
        assert release.artifact is not None
        assert default_storage.exists(release.artifact.storage_name)


def test_a_run_goes_with_its_logs_files_and_ledger_but_only_after_its_artifacts(
    project: Project, now: datetime, django_capture_on_commit_callbacks: object
) -> None:
    gone = make_run(project)
    finish_stage(gone, "build", text=LONG)
    finish_stage(gone, "test", Status.FAILED)
    log = Log.objects.get(attempt__stage__run=gone, attempt__stage__name="build")
    store.archive(log)
    log.refresh_from_db()
    artifact = Artifact.objects.get(attempt__stage__run=gone)
    make_red_run(project)
    assert "runs" not in lifecycle.prune(project, YEAR, now)
    artifacts.expire(now + timedelta(days=2))
    assert not default_storage.exists(artifact.storage_name)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        assert lifecycle.prune(project, YEAR, now)["runs"] == 1
    assert not Run.objects.filter(pk=gone.pk).exists()
    assert not Log.objects.filter(pk=log.pk).exists()
    assert not default_storage.exists(log.archive)
    assert not Transition.objects.filter(subject_kind="run", subject_id=gone.pk).exists()
    assert not Event.objects.filter(run=gone.pk).exists()


def test_a_run_s_threads_in_chats_go_with_it_and_those_of_others_stay(project: Project, now: datetime) -> None:
    gone, kept = make_red_run(project), make_red_run(project)
    for run in (gone, kept):
        Thread.objects.create(channel_name="#shop", subject_kind="run", subject_id=run.pk, ts="1")
    Thread.objects.create(channel_name="#shop", subject_kind="deploy", subject_id=gone.pk, ts="1")
    Artifact.objects.update(storage_name="")
    assert lifecycle.prune(project, YEAR, now)["runs"] == 1
    assert set(Thread.objects.values_list("subject_kind", "subject_id")) == {("run", kept.pk), ("deploy", gone.pk)}


def test_an_old_log_says_that_it_was_removed_and_when(project: Project, now: datetime) -> None:
    run = make_run(project)
    attempt = finish_stage(run, "build", text=LONG)
    store.archive(attempt.log)
    attempt.log.refresh_from_db()
    archive = attempt.log.archive
    chosen = Rules(logs_days=30)
    assert candidates.amount(project, chosen, now).log_bytes == len(LONG)
    assert lifecycle.prune(project, chosen, now) == {"logs": 1}
    log = Log.objects.get(pk=attempt.log_id)
    text = b"".join(store.read(log)).decode()
    assert text.startswith(f"These {len(LONG):,} bytes of output were removed on {now:%Y-%m-%d}")
    assert not default_storage.exists(archive)
    assert store.doubled_or_missing() == []
    store.archive(log)
    log.refresh_from_db()
    assert b"".join(store.read(log)).decode() == text
    assert not lifecycle.prune(project, chosen, now)


def test_what_a_deploy_said_is_kept(project: Project, now: datetime) -> None:
    deploy = make_live(make_environment(project))
    before = Chunk.objects.filter(log__host_deploy__deploy=deploy).count()
    lifecycle.prune(project, Rules(logs_days=1), now)
    assert Chunk.objects.filter(log__host_deploy__deploy=deploy).count() == before > 0


def test_an_event_goes_when_nothing_came_of_it_and_else_loses_its_payload(project: Project, now: datetime) -> None:
    run = make_red_run(project, payload={"ref": "refs/heads/main"})
    nothing = make_event(project, sha=run.sha)
    Event.objects.filter(pk=nothing.pk).update(run=None)
    removed = lifecycle.prune(project, Rules(events_days=7), now)
    assert removed == {"events": 1, "payloads": 1}
    assert [event.payload for event in Event.objects.filter(project=project)] == [None]


def test_a_project_s_rule_goes_before_the_server_s_and_0_is_for_ever(project: Project) -> None:
    rules.change(None, Rules(runs_days=90, logs_days=30), "olga (#1)")
    rules.change(project, Rules(runs_days=0, artifacts_days=5), "ana (#2)")
    assert rules.in_force(project) == Rules(runs_days=0, logs_days=30, artifacts_days=5)
    assert rules.of_projects() == {project.pk: Rules(runs_days=0, artifacts_days=5)}
    rules.change(None, Rules(), "olga (#1)")
    assert Retention.objects.count() == 2
    assert Act.objects.filter(verb="changed the retention").count() == 3


@pytest.mark.parametrize("bad", [Rules(runs_newest=0), Rules(events_days=3), Rules(logs_days=99_999)])
def test_a_rule_that_cannot_be_meant_is_refused(project: Project, bad: Rules) -> None:
    with pytest.raises(BadRule):
        rules.change(project, bad, "ana (#1)")


def test_the_clock_sweeps_under_a_lease_and_tells_the_audit(project: Project) -> None:
    attempt: Attempt = finish_stage(make_run(project), "build", text=LONG)
    Attempt.objects.filter(pk=attempt.pk).update(finished_at=timezone.now() - timedelta(days=9))
    Log.objects.filter(pk=attempt.log_id).update(closed_at=timezone.now() - timedelta(days=9))
    rules.change(project, Rules(logs_days=8), "ana (#1)")
    assert lifecycle.sweep() == 1
    assert lifecycle.sweep() == 0  # it is not due again yet
    assert Sweep.objects.get().removed == {"logs": 1}
    assert Act.objects.get(verb="pruned").facts["removed"] == {"logs": 1}


def test_what_the_preview_counts_is_what_goes(project: Project, now: datetime) -> None:
    for _ in range(3):
        make_green_run(project, spec="image: busybox\nstages: {a: {steps: [make], artifacts: [dist/]}}\n")
    chosen = Rules(runs_days=30, runs_newest=1, artifacts_days=30)
    told = candidates.amount(project, chosen, now)
    assert (told.runs, told.artifacts) == (2, 3)
    assert lifecycle.prune(project, chosen, now) == {"artifacts": 3}
    artifacts.expire(now + timedelta(days=2))
    assert lifecycle.prune(project, chosen, now) == {"runs": 2}
    assert candidates.amount(project, chosen, now).is_nothing
