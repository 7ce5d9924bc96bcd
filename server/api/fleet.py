"""What waits and why, and the runners that take it."""

from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema

from pipelines.roster import lifecycle
from pipelines.roster import queries as roster
from pipelines.roster.queries import Standing
from server import access
from server.api.callers import actor, caller, require_operator
from server.api.paging import Page
from server.api.shapes.waiting import WaitingShape
from server.api.shapes.waiting import waiting as shape
from server.api.shapes.words import page
from server.reads import fleets, queue, works
from server.reads.works import Work

router = Router(tags=["Queue and runners"])
SHOWN = 100  # of each kind that waits


class QueueShape(Schema):
    """`people` wait for somebody's word, `ready` for a runner, in the order in which they are taken, `deploys` for
    their turn."""

    total: int
    free: int = Field(description="Places for stages that are free")
    places: int
    people: list[WaitingShape]
    ready: list[WaitingShape]
    deploys: list[WaitingShape]


class WorkShape(Schema):
    words: str
    url: str = Field(description="Empty for what the caller does not see")
    since: datetime | None


class RunnerShape(Schema):
    name: str
    host: str
    kind: Literal["control", "stage", "deploy"]
    labels: list[str]
    version: str
    is_there: bool
    is_draining: bool
    seen_at: datetime
    work: WorkShape | None


class Drain(Schema):
    """With `leave` it ends once it has drained."""

    leave: bool = False


@router.get("/queue", response=QueueShape)
def waiting(request: HttpRequest) -> QueueShape:
    """What waits in the projects that the caller sees, and why."""
    projects = list(access.visible_projects(caller(request)).order_by("name"))
    fleet = fleets.fleet()
    found = queue.waiting_in(projects, SHOWN, fleet)
    people, ready, deploys = ([shape(one) for one in some] for some in (found.people, found.ready, found.deploys))
    return QueueShape(
        total=found.total, free=fleet.free, places=fleet.total, people=people, ready=ready, deploys=deploys
    )


@router.get("/runners", response=Page[RunnerShape])
def runners(request: HttpRequest) -> Page[RunnerShape]:
    """The runners of all machines, in one portion."""
    everyone = roster.everyone()
    visible = set(access.visible_projects(caller(request)).values_list("pk", flat=True))
    doing = works.of_runners([one.runner.name for one in everyone], visible)
    return Page(items=[_runner(one, doing.get(one.runner.name)) for one in everyone])


@router.post("/runners/{name}/drain", response=Page[RunnerShape])
def drain(request: HttpRequest, name: str, given: Drain) -> Page[RunnerShape]:
    """Let a runner, or all of a host, take nothing new. It takes an operator."""
    require_operator(request, "drain a runner")
    lifecycle.drain(name, actor(request), leave=given.leave)
    return runners(request)


@router.post("/runners/{name}/undrain", response=Page[RunnerShape])
def undrain(request: HttpRequest, name: str) -> Page[RunnerShape]:
    """Let a runner, or all of a host, work again. It takes an operator."""
    require_operator(request, "let a runner work again")
    lifecycle.undrain(name, actor(request))
    return runners(request)


def _runner(one: Standing, work: Work | None) -> RunnerShape:
    row = one.runner
    return RunnerShape(
        name=row.name,
        host=row.host,
        kind=row.kind,  # type: ignore[arg-type]  # one of the three, by its column
        labels=list(row.labels),
        version=row.version,
        is_there=one.is_there,
        is_draining=one.drains,
        seen_at=row.seen_at,
        work=WorkShape(words=work.words, url=page(work.url) if work.url else "", since=work.since) if work else None,
    )
