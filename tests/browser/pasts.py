"""Move what has just been made into the past: tests and pictures only, the product never rewrites a time."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from pipelines.deploys.models import Deploy, Host, HostDeploy, Release
from pipelines.runs.models import Attempt, Event, Run, Stage, Step
from pipelines.states.models import Transition


def move_run(run: Run, ago: float, seconds: float) -> None:
    """To `ago` seconds before now; if it has ended, it took `seconds`, else it would. Stages follow their needs."""
    begin = timezone.now() - timedelta(seconds=ago)
    run.refresh_from_db()
    _move(Run, run.pk, begin, seconds if run.finished_at else None, started=run.started_at is not None)
    Event.objects.filter(run=run).update(received_at=begin)
    depths: dict[str, int] = {}
    for stage in run.stages.order_by("position"):
        depths[stage.name] = 1 + max((depths[need] for need in stage.needs), default=-1)
        after, took = 0.01 + 0.33 * depths[stage.name], 0.2 + 0.02 * len(stage.name)
        _move_stage(stage, begin, seconds * after, seconds * took)


def _move_stage(stage: Stage, begin: Any, after: float, seconds: float) -> None:
    at = begin + timedelta(seconds=after)
    queued = Transition.objects.filter(subject_kind="stage", subject_id=stage.pk, to_status="queued")
    queued.update(at=at - timedelta(seconds=3))
    if stage.started_at is None:
        return
    took = seconds if stage.finished_at else None
    _move(Stage, stage.pk, at, took)
    for attempt in stage.attempts.all():
        _move(Attempt, attempt.pk, at, took)
        end = None if took is None else at + timedelta(seconds=took)
        Step.objects.filter(attempt=attempt).update(started_at=at, finished_at=end)


def move_deploy(deploy: Deploy, ago: float, seconds: float) -> None:
    """A finished one, with its hosts."""
    begin = timezone.now() - timedelta(seconds=ago)
    _move(Deploy, deploy.pk, begin, seconds)
    for row in deploy.hosts.exclude(started_at=None):
        _move(HostDeploy, row.pk, begin, seconds / 3)


def move_running_deploy(deploy: Deploy, ago: float) -> None:
    begin = timezone.now() - timedelta(seconds=ago)
    _move(Deploy, deploy.pk, begin, None)
    for row in deploy.hosts.exclude(started_at=None):
        at = begin + timedelta(seconds=5 + row.wave * 40)
        _move(HostDeploy, row.pk, at, 38 if row.finished_at else None)


def move_release(release: Release, ago: float) -> None:
    Release.objects.filter(pk=release.pk).update(created_at=timezone.now() - timedelta(seconds=ago))


def quarantine_release(release: Release, ago: float) -> None:
    """One that is quarantined already: since when."""
    quarantined = Release.objects.filter(pk=release.pk, quarantined_at__isnull=False)
    quarantined.update(quarantined_at=timezone.now() - timedelta(seconds=ago))


def move_event(event: Event, ago: float) -> None:
    Event.objects.filter(pk=event.pk).update(received_at=timezone.now() - timedelta(seconds=ago))


def check_hosts(hosts: QuerySet[Host], ago: float, **seen: Any) -> None:
    hosts.update(checked_at=timezone.now() - timedelta(seconds=ago), **seen)


def _move(model: Any, pk: int, begin: Any, seconds: float | None, started: bool = True) -> None:
    end = None if seconds is None else begin + timedelta(seconds=seconds)
    model.objects.filter(pk=pk).update(created_at=begin, started_at=begin if started else None, finished_at=end)
