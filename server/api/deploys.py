"""Deploys: which there were, and how each stands."""

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Query, Router
from ninja import Status as Answer

from pipelines.deploys.models import Deploy
from pipelines.states.status import Status
from server import fetching
from server.api.callers import caller
from server.api.paging import Page, Paging, portion
from server.api.shapes import deploys as shapes
from server.api.shapes.deploys import DeployShape, WholeDeploy
from server.api.shapes.words import Short

router = Router(tags=["Deploys"])
DEPLOY = "/projects/{slug:project}/deploys/{int:number}"


class WantedDeploys(Paging):
    """Which deploys."""

    environment: Short = Field("", description="Its name; empty: any")
    status: Status | None = None


@router.get("/projects/{slug:project}/deploys", response=Page[DeployShape])
def deploys(request: HttpRequest, project: str, wanted: Query[WantedDeploys]) -> Page[DeployShape]:
    """The deploys of a project, newest first."""
    found = fetching.project(caller(request), project)
    rows = _rows().filter(environment__project=found)
    if wanted.environment:
        rows = rows.filter(environment__name=wanted.environment)
    if wanted.status:
        rows = rows.filter(status=wanted.status)
    if (before := wanted.before) is not None:
        rows = rows.filter(number__lt=before)
    return portion(list(rows.order_by("-number")[: wanted.limit + 1]), wanted, lambda one: one.number, shapes.deploy)


@router.get(DEPLOY, response=WholeDeploy)
def deploy(request: HttpRequest, project: str, number: int) -> WholeDeploy:
    """A deploy with its hosts: wave, status, and the id of each host's log."""
    return shapes.whole_deploy(fetching.deploy(caller(request), project, number))


def made(deploy: Deploy) -> Answer[DeployShape]:
    """The answer to who has asked for one."""
    return Answer(201, shapes.deploy(_rows().get(pk=deploy.pk)))


def _rows() -> QuerySet[Deploy]:
    """With all that a line about one tells."""
    return Deploy.objects.select_related("environment__project", "release", "replaces")
