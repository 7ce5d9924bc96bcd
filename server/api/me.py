"""Who one is, and what one may see."""

from typing import Literal

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from pipelines.deploys.reads import queries as deploys
from pipelines.people.models import Scope
from pipelines.projects.remotes import cloned_from
from pipelines.runs import queries as runs
from server import access, fetching
from server.access import Act, Bearer
from server.api.callers import caller, person
from server.api.paging import Page, Paging, portion
from server.api.shapes import projects as shapes
from server.api.shapes.projects import ProjectShape, WholeProject
from server.api.shapes.words import Short

router = Router(tags=["Projects"])


class WantedProjects(Paging):
    remote: Short = Field("", description="A git remote: only those that are cloned from the same repository")


class Me(Schema):
    """`project` is the one that a token is bound to."""

    name: str
    kind: Literal["person", "machine"]
    is_operator: bool
    scopes: list[Scope]
    project: str | None


@router.get("/me", response=Me)
def me(request: HttpRequest) -> Me:
    """Who the caller is, and what their token is for."""
    found, who = caller(request), person(request)
    token = found.token if isinstance(found, Bearer) else None
    return Me(
        name=who.get_username() if who else token.name if token else "",
        kind="person" if who else "machine",
        is_operator=access.is_operator(found),
        scopes=[Scope(scope) for scope in token.scopes] if token else list(Scope),
        project=token.project.name if token and token.project else None,
    )


@router.get("/projects", response=Page[ProjectShape])
def projects(request: HttpRequest, paging: Query[WantedProjects]) -> Page[ProjectShape]:
    """The projects that the caller sees, by name, with the last runs of their default branches and what is live."""
    seen = access.visible_projects(caller(request)).order_by("name")
    if paging.remote:
        seen = cloned_from(seen, paging.remote)
    found = list(seen.filter(name__gt=paging.cursor)[: paging.limit + 1])
    lines, shelves = runs.lines(found), deploys.shelves(found, 1)
    return portion(found, paging, lambda one: one.name, lambda one: shapes.project(one, lines[one.pk], shelves[one.pk]))


@router.get("/projects/{slug:project}", response=WholeProject)
def project(request: HttpRequest, project: str) -> WholeProject:
    """One project."""
    found = fetching.project(caller(request), project)
    allowed = access.acts(caller(request), found)
    names = sorted(act.name.lower() for act in allowed)
    line, shelf = runs.lines([found])[found.pk], deploys.shelves([found], 1)[found.pk]
    return shapes.whole_project(found, line, shelf, names, tells_url=Act.EDIT_PIPELINE in allowed)
