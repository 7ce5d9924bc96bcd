"""The wall: how everything stands, and the screens that show it."""

from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer
from ninja.errors import HttpError

from pipelines.people.models import Scope
from pipelines.projects.models import Project
from pipelines.screens import lifecycle
from pipelines.screens.models import Screen
from server import access
from server.api.callers import actor, caller, human
from server.api.paging import Page
from server.api.shapes import wall as shapes
from server.api.shapes.wall import WallShape
from server.api.shapes.words import Short
from server.reads import standings

router = Router(tags=["Wall"])


class ScreenShape(Schema):
    """A browser that shows the wall. `projects` is null for one that shows all that its person administers; `came_at`
    is null while it has not come for its key."""

    id: int
    name: str
    paired_by: str
    projects: list[str] | None
    paired_at: datetime
    came_at: datetime | None
    last_seen_at: datetime | None


class Pairing(Schema):
    """`code` is what the screen shows; `projects` are those that it is to show, null for all that you administer."""

    code: Short = Field(min_length=1, examples=["K7DM-X2PQ"])
    name: str = Field("screen", min_length=1, max_length=60, pattern=r"^[^\x00]*$")
    projects: list[Short] | None = Field(None, min_length=1, max_length=1000)


@router.get("/wall", response=WallShape)
def wall(request: HttpRequest) -> WallShape:
    """How everything stands that the caller sees, what is broken first."""
    return shapes.wall(standings.of(list(access.visible_projects(caller(request)).order_by("name"))))


@router.get("/screens", response=Page[ScreenShape])
def screens(request: HttpRequest) -> Page[ScreenShape]:
    """The screens that one has paired, of operators all of them, newest first and in one portion."""
    return Page(items=[_screen(one) for one in access.screens_of(caller(request))])


@router.post("/screens", response={201: ScreenShape})
def pair_screen(request: HttpRequest, given: Pairing) -> Answer[ScreenShape]:
    """Let the screen that shows a code show the wall. It takes the role owner in what it is to show."""
    owned = list(access.administered_projects(caller(request)).order_by("name"))
    person = human(request, "pair a screen")
    if not owned:
        raise PermissionDenied(access.WHY_NO_SCREEN)
    shown = _shown(request, given, owned)
    made = lifecycle.pair(person, given.name.strip() or "screen", given.code, shown, by=actor(request))
    return Answer(201, _screen(lifecycle.listed().get(pk=made.pk)))


@router.delete("/screens/{int:screen}", response={204: None})
def revoke_screen(request: HttpRequest, screen: int) -> Answer[None]:
    """Let a screen show nothing any more."""
    access.require_scope(caller(request), Scope.ADMINISTER, "revoke a screen")
    if (found := access.screens_of(caller(request)).filter(pk=screen).first()) is None:
        raise Http404
    lifecycle.revoke(found, by=actor(request))
    return Answer(204, None)


def _shown(request: HttpRequest, given: Pairing, owned: list[Project]) -> list[Project] | None:
    """Raises HttpError for projects that the caller does not own, PermissionDenied for all with a token of one."""
    if given.projects is None:
        access.require_unbound(caller(request), "pair a screen that shows all projects")
        return None
    chosen = [project for project in owned if project.name in given.projects]
    if unknown := sorted(set(given.projects) - {project.name for project in chosen}):
        raise HttpError(422, f"projects: you do not own {', '.join(unknown)[:200]}")
    return chosen


def _screen(one: Screen) -> ScreenShape:
    return ScreenShape(
        id=one.pk,
        name=one.name,
        paired_by=one.person.username,
        projects=None if one.shows_all else sorted(project.name for project in one.projects.all()),
        paired_at=one.paired_at,
        came_at=one.came_at,
        last_seen_at=one.last_seen_at,
    )
