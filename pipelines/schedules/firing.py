"""What the clock does with schedules: each time fires once, however many clocks there are."""

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from pipelines.errors import LostRace, UserError
from pipelines.runs.models import EventKind
from pipelines.runs.receiving import start
from pipelines.schedules.models import Schedule
from pipelines.spec.cron import next_after

logger = logging.getLogger(__name__)

AT_ONCE = 50
LATE_SECONDS = 60  # later than so it is said
COUNTED = 100  # of missed times


def fire_due(now: datetime | None = None) -> int:
    """Start the runs whose time has come; returns how many.

    Of several times that were missed, because no clock ran, one is made up for: a run of each would be the same run.
    """
    now = now or timezone.now()
    due = Schedule.objects.filter(next_at__lte=now, paused_at=None).select_related("project").order_by("next_at", "pk")
    return sum(_fire(schedule, now) for schedule in due[:AT_ONCE])


def _fire(schedule: Schedule, now: datetime) -> bool:
    assert schedule.next_at is not None, "only what is due is fired"
    try:
        _start(schedule, schedule.next_at, now)
    except LostRace:  # another clock was first, or a person changed it
        return False
    except UserError as error:
        same = Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at)
        same.update(next_at=None, problem=str(error)[:300])
        return False
    except Exception:  # a mistake of ours with one must not keep the others
        logger.exception("the schedule %s could not be started and will be tried again", schedule)
        return False
    return True


@transaction.atomic
def _start(schedule: Schedule, due_at: datetime, now: datetime) -> None:
    """Raises LostRace, and UserError for what cannot be started or never comes round again."""
    next_at = next_after(schedule.cron, schedule.timezone, max(now, due_at))
    rows = Schedule.objects.filter(pk=schedule.pk, next_at=due_at, paused_at=None)
    if rows.update(next_at=next_at, last_at=due_at, problem="") != 1:
        raise LostRace(f"{schedule} was fired by another clock")
    event = start(
        schedule.project,
        EventKind.SCHEDULE,
        schedule.ref,
        schedule.parameters,
        schedule.made_by,  # who wrote it down does not approve what it starts
        _why(schedule, due_at, now),
        once=f"{schedule.pk} {due_at:%Y-%m-%dT%H:%M}Z {schedule.name}",
    )
    Schedule.objects.filter(pk=schedule.pk).update(last_event=event)


def _why(schedule: Schedule, due_at: datetime, now: datetime) -> str:
    clock = due_at.astimezone(ZoneInfo(schedule.timezone))
    why = f"by the schedule {schedule.name}, due {clock:%Y-%m-%d %H:%M} {schedule.timezone}"
    if (now - due_at).total_seconds() <= LATE_SECONDS:
        return why
    missed = _missed(schedule, due_at, now)
    if not missed:
        return f"{why}; late, for no clock ran then"
    return (
        f"{why}; late, for no clock ran then, and once for {missed + 1}{'' if missed < COUNTED else ' or more'} times"
    )


def _missed(schedule: Schedule, due_at: datetime, now: datetime) -> int:
    """How many more of its times have passed, up to COUNTED."""
    for number in range(COUNTED):
        due_at = next_after(schedule.cron, schedule.timezone, due_at)
        if due_at > now:
            return number
    return COUNTED
