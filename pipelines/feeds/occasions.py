"""What stands in a calendar: when schedules start runs, and when freezes keep deploys away."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from pipelines.deploys.models import Freeze
from pipelines.deploys.protection import freezes
from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.schedules.models import Schedule
from pipelines.spec.cron import next_times

AHEAD = timedelta(days=28)
TIMES_MAX = 60  # of one schedule: of one that runs each minute nobody wants all


@dataclass(frozen=True, slots=True)
class Occasion:
    """`uid` is always the same for it; `project` is empty for what holds for the whole server. Times in UTC."""

    uid: str
    project: str
    title: str
    text: str
    starts_at: datetime
    ends_at: datetime | None = None
    environment: str = ""


def coming(projects: Sequence[Project], now: datetime) -> list[Occasion]:
    """Of the next four weeks, in order; a freeze that has begun is among them."""
    found = [*_of_schedules(projects, now), *_of_freezes(projects, now)]
    return sorted(found, key=lambda one: (one.starts_at, one.uid))


def _of_schedules(projects: Sequence[Project], now: datetime) -> Iterator[Occasion]:
    rows = Schedule.objects.filter(project__in=projects, paused_at=None).exclude(next_at=None)
    for schedule in rows.select_related("project"):
        for time in _times(schedule, now):
            yield Occasion(
                uid=f"schedule-{schedule.pk}-{time:%Y%m%dT%H%M}",
                project=schedule.project.name,
                title=f"{schedule.project} runs {schedule.name}",
                text=f"{schedule.cron} {schedule.timezone}, {schedule.ref}",
                starts_at=time,
            )


def _times(schedule: Schedule, now: datetime) -> list[datetime]:
    try:
        times = next_times(schedule.cron, schedule.timezone, now, TIMES_MAX)
    except UserError:  # said on its page
        return []
    return [time for time in times if time <= now + AHEAD]


def _of_freezes(projects: Sequence[Project], now: datetime) -> Iterator[Occasion]:
    everywhere = Q(project=None, environment=None)
    rows = Freeze.objects.filter(everywhere | Q(project__in=projects) | Q(environment__project__in=projects))
    for freeze in rows.select_related("project", "environment__project"):
        place = freeze.environment or freeze.project
        for span in _spans(freeze, now):
            yield Occasion(
                uid=f"freeze-{freeze.pk}-{span.start:%Y%m%dT%H%M}",
                project=_project_of(freeze),
                title=f"No deploys to {place or 'anything'}: {freeze.name}",
                text=f"{freeze.weekly_from} to {freeze.weekly_until} {freeze.timezone}" if freeze.weekly_from else "",
                starts_at=span.start,
                ends_at=span.end,
                environment=freeze.environment.name if freeze.environment else "",
            )


def _spans(freeze: Freeze, now: datetime) -> Iterator[freezes.Span]:
    try:
        span = freezes.span_at(freeze, now) or freezes.next_span(freeze, now)
        while span is not None and span.start <= now + AHEAD:
            yield span
            span = freezes.next_span(freeze, span.start)
    except UserError:  # one that cannot be read keeps nothing away
        return


def _project_of(freeze: Freeze) -> str:
    if freeze.environment:
        return freeze.environment.project.name
    return freeze.project.name if freeze.project else ""
