"""Looks at the rows and rings for whatever is due: a lost signal costs seconds, never a run."""

import logging
from typing import Any

import redis
from django.conf import settings
from django.db.models import Q, QuerySet

from pipelines.deploys import inspections, releases, waits
from pipelines.deploys import queue as deploy_queue
from pipelines.deploys.models import Deploy
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Probe
from pipelines.runs import lifecycle as runs
from pipelines.runs import turns
from pipelines.runs.models import Attempt
from pipelines.states import leases
from pipelines.states.status import Status
from runners.queue import jobs
from runners.queue.queues import Line, ring_once

AT_MOST = 50  # rings of one kind at a time; workers look for more when they are done

logger = logging.getLogger(__name__)


def reconcile(connection: redis.Redis) -> int:
    """One look; returns how often it rang. Idempotent, and harmless when several processes do it at once."""
    probes.abandon_expired()
    _settle_runs()
    runs.make_room()
    waits.wake()
    deploy_queue.settle_all()
    return sum(
        ring_once(connection, line, job, rows, at_most=AT_MOST, first=first)
        for line, job, rows, first in (
            (Line.STAGE, jobs.run_stage, _lost(Attempt.objects.values_list("stage_id", flat=True)), True),
            (Line.DEPLOY, jobs.run_deploy, _lost(Deploy.objects.values_list("pk", flat=True)), True),
            (Line.PLAN, jobs.plan_run, _ids(jobs.unplanned()), False),
            (Line.CONTROL, jobs.release_run, _unreleased(), False),
            (Line.CONTROL, jobs.answer_probe, _ids(Probe.objects.filter(status=Status.QUEUED)), False),
            (Line.CONTROL, jobs.inspect, inspections.due(_inspections_at_once()), False),
            (Line.STAGE, jobs.run_stage, turns.due_stages(AT_MOST), False),
            (Line.DEPLOY, jobs.run_deploy, _heads(), False),
        )
    )


def _settle_runs() -> None:
    """What fails with one run is logged, and keeps neither other runs nor deploys."""
    for run_id in runs.unsettled():
        try:
            runs.settle(run_id)
        except Exception:
            logger.exception("run %s cannot be settled and will be tried again", run_id)


def _inspections_at_once() -> int:
    """One control worker is left to whatever else there is to do."""
    return max(1, settings.SLIPWAY_CONTROL_WORKERS - 1)


def _ids(rows: QuerySet[Any]) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:AT_MOST])


def _lost(rows: QuerySet[Any, int]) -> list[int]:
    """Work whose owner has died: it has waited long enough, and goes before what nobody has begun."""
    return list(rows.filter(leases.expired(), status=Status.RUNNING, finished_at=None)[:AT_MOST])


def _unreleased() -> list[int]:
    """Of the newest, those that have what they ship."""
    return sorted(run.pk for run in releases.uncut().order_by("-pk")[:AT_MOST] if releases.cargo_of(run) is not None)


def _heads() -> list[int]:
    """The head of the queue of each environment: what has begun and may go on, or, where nothing has, the first."""
    begun = Deploy.objects.exclude(started_at=None).filter(finished_at=None)
    may_begin = Q(started_at__isnull=False) | ~Q(environment__in=begun.values("environment"))
    waiting = Deploy.objects.filter(may_begin, status=Status.QUEUED, finished_at=None)
    heads: dict[int, int] = {}
    for row_id, environment_id in waiting.order_by("-priority", "pk").values_list("pk", "environment"):
        heads.setdefault(environment_id, row_id)
    return list(heads.values())
