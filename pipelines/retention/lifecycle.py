"""Carry the rules out: under a lease, a small portion at a time, told in the audit."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, ProtectedError
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.logs import clearing
from pipelines.notifications import threads
from pipelines.projects.models import Project
from pipelines.retention import candidates, rules
from pipelines.retention.models import Sweep
from pipelines.retention.rules import Rules
from pipelines.runs.models import Attempt, Run, Stage, Step
from pipelines.services.models import Service
from pipelines.states import leases
from pipelines.states.models import Transition

ACTOR = "retention"
LEASE_SECONDS = 120.0
AGAIN_SECONDS = 3600.0
MORE_SECONDS = 15.0  # until the next portion, when there is more
SPEND_SECONDS = 10.0  # of one sweep: then others have their turn
RUNS_AT_ONCE = 20
ROWS_AT_ONCE = 200

logger = logging.getLogger(__name__)


def sweep() -> int:
    """Remove a portion of what is to go, if it is time and nobody else does; gives how many things went."""
    if (held := _claim()) is None:
        return 0
    until = time.monotonic() + SPEND_SECONDS
    removed: Counter[str] = Counter()
    for project in Project.objects.order_by("pk"):
        removed += prune(project, rules.in_force(project), timezone.now(), lambda: time.monotonic() > until)
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    _end(held, removed)
    return removed.total()


def prune(project: Project, chosen: Rules, now: datetime, enough: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Remove what goes in one project, portion by portion, until nothing is left or it is `enough`; gives how many of
    each kind. Artifacts' files go a day after they were let go, and a run after its artifacts' files."""
    removed: Counter[str] = Counter()
    if not chosen.removes:
        return removed
    for name, portion in _PORTIONS.items():
        while not enough() and (count := portion(project, chosen, now)):
            removed[name] += count
    if removed:
        record(ACTOR, "pruned", str(project), **asdict(chosen), removed=dict(removed))
    return removed


def _artifacts(project: Project, chosen: Rules, now: datetime) -> int:
    ids = list(candidates.old_artifacts(project, chosen, now).values_list("pk", flat=True)[:ROWS_AT_ONCE])
    return candidates.old_artifacts(project, chosen, now).filter(pk__in=ids).update(expired_at=now) if ids else 0


def _logs(project: Project, chosen: Rules, now: datetime) -> int:
    cleared = 0
    for log in candidates.old_logs(project, chosen, now).order_by("pk")[:ROWS_AT_ONCE]:
        notice = f"These {log.size:,} bytes of output were removed on {now:%Y-%m-%d}: the project keeps output for "
        notice += f"{chosen.logs_days} days after the end of a stage.\n"
        if clearing.clear(log, notice):
            Step.objects.filter(attempt__log=log).update(begins_at_byte=0, ends_at_byte=0)
            cleared += 1
    return cleared


def _runs(project: Project, chosen: Rules, now: datetime) -> int:
    old = candidates.gone_from_storage(candidates.old_runs(project, chosen, now))
    ids = list(old.order_by("pk").values_list("pk", flat=True)[:RUNS_AT_ONCE])
    if not ids:
        return 0
    try:
        with transaction.atomic():
            return _delete_runs(list(old.filter(pk__in=ids).values_list("pk", flat=True)))
    except ProtectedError:  # a release was cut of one of them in this moment
        logger.warning("runs of %s that were to go are still needed; the next sweep looks again", project)
        return 0


def _delete_runs(ids: list[int]) -> int:
    """With all that belongs to them, their part of the ledger as well; what people did stays in the audit."""
    stages = list(Stage.objects.filter(run__in=ids).values_list("pk", flat=True))
    attempts = dict(Attempt.objects.filter(stage__in=stages).values_list("pk", "log"))
    logs = [*attempts.values(), *Service.objects.filter(attempt__in=attempts).values_list("log", flat=True)]
    for kind, subjects in (("run", ids), ("stage", stages), ("attempt", list(attempts))):
        Transition.objects.filter(subject_kind=kind, subject_id__in=subjects).delete()
    threads.forget("run", ids)
    Run.objects.filter(pk__in=ids).delete()
    clearing.forget(logs)
    return len(ids)


def _events(project: Project, chosen: Rules, now: datetime) -> int:
    ids = list(candidates.old_events(project, chosen, now).values_list("pk", flat=True)[:ROWS_AT_ONCE])
    candidates.old_events(project, chosen, now).filter(pk__in=ids).delete()
    return len(ids)


def _payloads(project: Project, chosen: Rules, now: datetime) -> int:
    ids = list(candidates.old_payloads(project, chosen, now).values_list("pk", flat=True)[:ROWS_AT_ONCE])
    return candidates.old_payloads(project, chosen, now).filter(pk__in=ids).update(payload=None) if ids else 0


_PORTIONS: dict[str, Callable[[Project, Rules, datetime], int]] = {
    "artifacts": _artifacts,
    "logs": _logs,
    "runs": _runs,
    "events": _events,
    "payloads": _payloads,
}


def _claim() -> Sweep | None:
    Sweep.objects.bulk_create([Sweep(pk=1)], ignore_conflicts=True)
    held = Sweep.objects.get(pk=1)
    due = Sweep.objects.filter(leases.passed("due_at"), pk=1, fence=held.fence)
    if due.update(due_at=leases.until(LEASE_SECONDS), fence=F("fence") + 1) != 1:
        return None
    held.fence += 1
    return held


def _end(held: Sweep, removed: Counter[str]) -> None:
    again = MORE_SECONDS if removed else AGAIN_SECONDS
    told = {"removed": dict(removed)} if removed else {}
    rows = Sweep.objects.filter(pk=1, fence=held.fence)
    rows.update(due_at=leases.until(again), ended_at=timezone.now(), **told)
