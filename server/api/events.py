"""What arrived, and what came of it."""

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer

from pipelines.projects.models import Project
from pipelines.runs import queries, replays
from pipelines.runs.models import Event, EventKind, Outcome, Run
from server import access, fetching
from server.access import Act
from server.api.callers import actor, caller
from server.api.paging import Page, Paging, portion
from server.api.shapes import runs as shapes
from server.api.shapes.runs import RunShape

router = Router(tags=["Events"])
EVENT = "/projects/{slug:project}/events/{int:event}"


class EventShape(Schema):
    id: int
    project: str
    kind: EventKind
    name: str
    delivery: str | None
    ref: str
    sha: str
    title: str
    actor: str
    fork: bool
    received_at: datetime
    outcome: Outcome
    why: str
    run: int | None


class WholeEvent(EventShape):
    payload: Any = Field(description="As the code host sent it; null where there was none")


class WantedEvents(Paging):
    """Which events."""

    outcome: Outcome | None = None


@router.get("/events", response=Page[EventShape])
def all_events(request: HttpRequest, wanted: Query[WantedEvents]) -> Page[EventShape]:
    """What arrived for the projects that the caller sees, newest first."""
    outcomes = [wanted.outcome] if wanted.outcome else []
    seen = access.visible_projects(caller(request))
    rows = queries.events(seen, outcomes, wanted.before, wanted.limit + 1)
    return portion(rows, wanted, lambda one: one.pk, _event)


@router.get("/projects/{slug:project}/events", response=Page[EventShape])
def events(request: HttpRequest, project: str, wanted: Query[WantedEvents]) -> Page[EventShape]:
    """What arrived for a project, newest first."""
    found = fetching.project(caller(request), project)
    outcomes = [wanted.outcome] if wanted.outcome else []
    rows = queries.events([found], outcomes, wanted.before, wanted.limit + 1)
    return portion(rows, wanted, lambda one: one.pk, _event)


@router.get(EVENT, response=WholeEvent)
def event(request: HttpRequest, project: str, event: int) -> WholeEvent:
    """One event with what the code host sent."""
    row = _of(fetching.project(caller(request), project), event)
    return WholeEvent(**_event(row).model_dump(), payload=row.payload)


@router.post(EVENT + "/replay", response={201: RunShape})
def replay_event(request: HttpRequest, project: str, event: int) -> Answer[RunShape]:
    """Run what came of an event again, or make a run of what had made none. What is under way already is given back."""
    found = fetching.project(caller(request), project, Act.RUN)
    made = replays.replay(_of(found, event), actor(request))
    return Answer(201, shapes.run(Run.objects.select_related("project", "rerun_of", "release").get(pk=made.pk)))


def _of(project: Project, event: int) -> Event:
    row = Event.objects.select_related("project", "run").filter(project=project, pk=event).first()
    if row is None:
        raise Http404
    return row


def _event(row: Event) -> EventShape:
    return EventShape(
        id=row.pk,
        project=row.project.name,
        kind=EventKind(row.kind),
        name=row.name,
        delivery=row.delivery_id,
        ref=row.ref,
        sha=row.sha,
        title=row.title,
        actor=row.actor,
        fork=row.fork,
        received_at=row.received_at,
        outcome=Outcome(row.outcome),
        why=row.why,
        run=row.run.number if row.run else None,
    )
