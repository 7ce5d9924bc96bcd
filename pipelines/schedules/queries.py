"""What the page of schedules shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.schedules.models import Schedule
from pipelines.spec.cron import next_times

SHOWN = 3  # of the times to come


@dataclass(frozen=True, slots=True)
class Line:
    """A schedule and its next times, on the clocks of its zone; none while it is paused."""

    schedule: Schedule
    times: list[datetime]


def of_project(project: Project, now: datetime) -> list[Line]:
    """By source and name."""
    rows = Schedule.objects.filter(project=project).select_related("last_event__run", "project")
    return [line(row, now) for row in rows.order_by("source", "name")]


def line(schedule: Schedule, now: datetime) -> Line:
    return Line(schedule, _times(schedule, now))


def upcoming(projects: Iterable[Project], limit: int = 5) -> list[Schedule]:
    """What fires next in these projects."""
    rows = Schedule.objects.filter(project__in=projects).exclude(next_at=None)
    return list(rows.select_related("project").order_by("next_at", "pk")[:limit])


def _times(schedule: Schedule, now: datetime) -> list[datetime]:
    if schedule.next_at is None:
        return []
    try:
        times = next_times(schedule.cron, schedule.timezone, max(now, schedule.next_at), SHOWN - 1)
    except UserError:  # it never comes again
        times = []
    clock = ZoneInfo(schedule.timezone)
    return [time.astimezone(clock) for time in (schedule.next_at, *times)]
