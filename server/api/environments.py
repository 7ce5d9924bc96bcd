"""Environments: what is live where, and what a deploy would change."""

from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema

from pipelines.deploys.models import Environment
from pipelines.deploys.reads import board, previews, ways
from server import access, fetching
from server.api.callers import actor, caller
from server.api.paging import Page
from server.api.shapes import environments as shapes
from server.api.shapes.environments import EnvironmentShape, PreviewShape, WholeEnvironment
from server.api.shapes.words import Number

router = Router(tags=["Environments"])
ENVIRONMENT = "/projects/{slug:project}/environments/{slug:environment}"


class Asked(Schema):
    release: Number = Field(description="Number of the release")


@router.get("/environments", response=Page[EnvironmentShape])
def all_environments(request: HttpRequest) -> Page[EnvironmentShape]:
    """Every environment that the caller sees, by project and name, in one portion."""
    seen = list(access.visible_projects(caller(request)))
    return Page(items=[shapes.environment(place) for place in board.places(seen)])


@router.get("/projects/{slug:project}/environments", response=Page[EnvironmentShape])
def environments(request: HttpRequest, project: str) -> Page[EnvironmentShape]:
    """The environments of a project, by name, in one portion."""
    found = fetching.project(caller(request), project)
    return Page(items=[shapes.environment(place) for place in board.places([found])])


@router.get(ENVIRONMENT, response=WholeEnvironment)
def environment(request: HttpRequest, project: str, environment: str) -> WholeEnvironment:
    """What is live there, on which hosts, what keeps deploys away, and what rolling back would change."""
    return whole(fetching.environment(caller(request), project, environment), actor(request))


@router.get(ENVIRONMENT + "/preview", response=PreviewShape)
def preview(request: HttpRequest, project: str, environment: str, asked: Query[Asked]) -> PreviewShape:
    """What deploying a release there now would change, and what it would wait for. Nothing is started."""
    place = fetching.environment(caller(request), project, environment)
    release = place.project.releases.filter(number=asked.release).first()
    if release is None:
        raise Http404
    return shapes.preview(previews.preview(place, release, actor(request)))


def whole(found: Environment, asker: str) -> WholeEnvironment:
    """As it stands now, as `asker` would roll it back."""
    newest = found.configurations.order_by("version").last()
    [place] = board.of_environments([found])
    return shapes.whole_environment(place, ways.way_back(found, None, asker), newest.version if newest else 0)
