"""Schedules: what runs when nobody pushes."""

from datetime import datetime

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.schedules import lifecycle, queries
from pipelines.schedules.models import Schedule, Source
from pipelines.schedules.queries import Line
from server import fetching
from server.access import Act
from server.api.callers import actor, caller
from server.api.paging import Page
from server.api.shapes.words import Ref, Short, Value

router = Router(tags=["Schedules"])
SCHEDULES = "/projects/{slug:project}/schedules"


class ScheduleShape(Schema):
    id: int
    name: str
    source: Source = Field(description="`file`: written in the pipeline file, and changed there")
    cron: str
    timezone: str
    ref: str
    parameters: dict[str, str]
    is_paused: bool
    paused_by: str
    problem: str
    next: list[datetime] = Field(description="Its next times; none while it is paused")
    last_at: datetime | None
    last_run: int | None


class NewSchedule(Schema):
    name: Short = Field(examples=["nightly"])
    cron: Short = Field(examples=["30 2 * * *"])
    timezone: Short = "UTC"
    branch: Ref = Field("", description="Empty: the default branch")
    parameters: dict[Short, Value] = Field({}, max_length=50, examples=[{}])


class Changed(Schema):
    is_paused: bool


@router.get(SCHEDULES, response=Page[ScheduleShape])
def schedules(request: HttpRequest, project: str) -> Page[ScheduleShape]:
    """The schedules of a project, in one portion."""
    found = fetching.project(caller(request), project)
    return Page(items=[_told(line) for line in queries.of_project(found, timezone.now())])


@router.post(SCHEDULES, response={201: ScheduleShape})
def make_schedule(request: HttpRequest, project: str, given: NewSchedule) -> Answer[ScheduleShape]:
    """Start a run at the times of a cron expression."""
    found = fetching.project(caller(request), project, Act.SCHEDULE)
    made = lifecycle.make(
        found,
        given.name.strip(),
        given.cron.strip(),
        given.timezone.strip() or "UTC",
        given.branch.strip(),
        given.parameters,
        actor(request),
    )
    return Answer(201, _told(queries.line(made, timezone.now())))


@router.patch(SCHEDULES + "/{int:schedule}", response=ScheduleShape)
def change_schedule(request: HttpRequest, project: str, schedule: int, given: Changed) -> ScheduleShape:
    """Pause a schedule, or let it fire again."""
    found = _schedule(request, project, schedule)
    (lifecycle.pause if given.is_paused else lifecycle.resume)(found, actor(request))
    return _told(queries.line(_schedule(request, project, schedule), timezone.now()))


@router.delete(SCHEDULES + "/{int:schedule}", response={204: None})
def remove_schedule(request: HttpRequest, project: str, schedule: int) -> Answer[None]:
    """Remove a schedule that was made here."""
    lifecycle.remove(_schedule(request, project, schedule), actor(request))
    return Answer(204, None)


def _schedule(request: HttpRequest, project: str, number: int) -> Schedule:
    found = fetching.project(caller(request), project, Act.SCHEDULE)
    rows = Schedule.objects.select_related("project", "last_event__run")
    if (row := rows.filter(project=found, pk=number).first()) is None:
        raise Http404
    return row


def _told(line: Line) -> ScheduleShape:
    row = line.schedule
    last = row.last_event.run if row.last_event else None
    return ScheduleShape(
        id=row.pk,
        name=row.name,
        source=Source(row.source),
        cron=row.cron,
        timezone=row.timezone,
        ref=row.ref,
        parameters={name: str(value) for name, value in row.parameters.items()},
        is_paused=row.is_paused,
        paused_by=row.paused_by,
        problem=row.problem,
        next=line.times,
        last_at=row.last_at,
        last_run=last.number if last else None,
    )
