"""Releases of a project."""

from django.http import HttpRequest
from ninja import Query, Router

from pipelines.deploys import releases as verbs
from server import fetching
from server.access import Act
from server.api.callers import actor, caller
from server.api.paging import Page, Paging, portion
from server.api.shapes import deploys as shapes
from server.api.shapes.deploys import ReleaseShape
from server.api.shapes.words import Reasoned

router = Router(tags=["Releases"])
RELEASE = "/projects/{slug:project}/releases/{int:number}"


@router.get("/projects/{slug:project}/releases", response=Page[ReleaseShape])
def releases(request: HttpRequest, project: str, paging: Query[Paging]) -> Page[ReleaseShape]:
    """The releases of a project, newest first."""
    rows = fetching.project(caller(request), project).releases.order_by("-number")
    if (before := paging.before) is not None:
        rows = rows.filter(number__lt=before)
    rows = rows.select_related("run", "artifact", "project").prefetch_related("live_in")
    return portion(list(rows[: paging.limit + 1]), paging, lambda one: one.number, shapes.release)


@router.get(RELEASE, response=ReleaseShape)
def release(request: HttpRequest, project: str, number: int) -> ReleaseShape:
    """One release."""
    return shapes.release(fetching.release(caller(request), project, number))


@router.post(RELEASE + "/lift", response=ReleaseShape)
def lift_quarantine(request: HttpRequest, project: str, number: int, given: Reasoned) -> ReleaseShape:
    """Let a quarantined release be deployed again, in every environment of the project."""
    verbs.lift(fetching.release(caller(request), project, number, Act.LIFT), actor(request), given.why)
    return shapes.release(fetching.release(caller(request), project, number))
