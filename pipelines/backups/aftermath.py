"""What a restored server must not do: go on, deploy or tell people as if no time had passed.

How what was under way has ended since nobody here can know. So all of it ends, without following up on anything;
environments take no deploys until a person has looked; messages that were not sent never will be.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.caches.models import Cache
from pipelines.deploys import endings
from pipelines.deploys.models import Deploy, Environment
from pipelines.logs.models import Log
from pipelines.outbox.models import Message
from pipelines.probes.models import Probe
from pipelines.roster.models import Machine, Runner
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.schedules.models import Schedule
from pipelines.spec.cron import next_after
from pipelines.states.models import Stateful
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move

ACTOR = "restore"


@dataclass(frozen=True, slots=True)
class Ended:
    """How many runs and deploys were under way, environments were paused, and messages will not be sent."""

    runs: int
    deploys: int
    environments: int
    messages: int


@transaction.atomic
def settle(made_at: str) -> Ended:
    """Make the restored record safe to start a server on; `made_at` is when the backup was made."""
    why = f"the server was restored from a backup of {made_at}, in which this was under way: nobody knows how it ended"
    deploys, runs = _end_deploys(why), _end_runs(why)
    _end(Probe.objects.filter(finished_at=None), why)
    Log.objects.filter(closed_at=None).update(closed_at=timezone.now())
    paused = Environment.objects.filter(paused_at=None).update(
        paused_at=timezone.now(),
        paused_by=ACTOR,
        paused_because=f"restored from a backup of {made_at}: compare with what its hosts run, then resume"[:300],
    )
    muted = Message.objects.filter(sent_at=None, given_up_at=None)
    messages = muted.update(given_up_at=Now(), error=f"not sent: restored from a backup of {made_at}")
    _pass_over_missed_times()
    Cache.objects.all().delete()  # their files are in no backup
    Runner.objects.all().delete()
    Machine.objects.all().delete()
    ended = Ended(runs, deploys, paused, messages)
    record(
        ACTOR, "restored", f"backup of {made_at}", runs=runs, deploys=deploys, environments=paused, messages=messages
    )
    return ended


def _end_deploys(why: str) -> int:
    """None is rolled back by itself, neither: what its hosts run is for a person to see."""
    found = list(Deploy.objects.filter(finished_at=None).select_related("environment__project", "release", "log"))
    for deploy in found:
        if deploy.started_at is None:
            move(deploy, Status.CANCELLED, reason=why, actor=ACTOR, waits_for="", waits_until=None)
        else:
            endings.end(deploy, _end_of(deploy), why, actor=ACTOR)
    return len(found)


def _end_runs(why: str) -> int:
    """All but those that wait for a person to let a fork's commit in, which nothing but that person begins."""
    under_way = Run.objects.filter(finished_at=None).exclude(status=Status.BLOCKED)
    ids = list(under_way.values_list("pk", flat=True))
    for attempt in Attempt.objects.filter(stage__run__in=ids, finished_at=None):
        move(attempt, Status.ERRORED, reason=why, actor=ACTOR, secrets="")
    _end(Stage.objects.filter(run__in=ids, finished_at=None).select_related("run__project"), why)
    _end(under_way.select_related("project"), why)
    return len(ids)


def _end(rows: Iterable[Stateful], why: str) -> None:
    for row in list(rows):
        move(row, _end_of(row), reason=why, actor=ACTOR)


def _end_of(row: Stateful) -> Status:
    """Errored where the outcome is unknown; cancelled where it had not begun, or waited."""
    can = row.machine.moves[Status(row.status)]
    return Status.ERRORED if row.started_at is not None and Status.ERRORED in can else Status.CANCELLED


def _pass_over_missed_times() -> None:
    """Schedules fire next when their time comes round, not for the time since the backup."""
    for schedule in Schedule.objects.exclude(next_at=None):
        next_at = next_after(schedule.cron, schedule.timezone, timezone.now())
        Schedule.objects.filter(pk=schedule.pk).update(next_at=next_at)
