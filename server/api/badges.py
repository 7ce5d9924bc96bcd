"""A project's badges: their addresses, and who may see them."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Field, Router, Schema

from pipelines.feeds import lifecycle
from pipelines.projects.models import Project
from server import fetching
from server.access import Act
from server.api.callers import actor, caller

router = Router(tags=["Badges"])
BADGES = "/projects/{slug:project}/badges"


class BadgesShape(Schema):
    """Where they lie: of the runs of a branch, and of what is live in each environment. What is not public is seen
    by the project's people, and with `?key=`."""

    is_public: bool
    runs: str
    environments: dict[str, str]


class KeyedBadges(BadgesShape):
    key: str = Field(description="Opens badges alone; told in this answer, and to owners on the project's page")


class Publishing(Schema):
    is_public: bool


@router.get(BADGES, response=BadgesShape)
def badges(request: HttpRequest, project: str) -> BadgesShape:
    """The addresses of a project's badges."""
    return _badges(fetching.project(caller(request), project))


@router.put(BADGES, response=BadgesShape)
def publish_badges(request: HttpRequest, project: str, given: Publishing) -> BadgesShape:
    """Show the badges to everybody who knows their address, or to nobody without the key."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    lifecycle.publish(found, given.is_public, actor(request))
    return _badges(found)


@router.post(BADGES + "/key", response=KeyedBadges)
def change_badges_key(request: HttpRequest, response: HttpResponse, project: str) -> KeyedBadges:
    """Make a new key for the badges. Whoever has the old one sees nothing from now on."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    lifecycle.change_key(found, actor(request))
    response["Cache-Control"] = "no-store"
    return KeyedBadges(**dict(_badges(found)), key=lifecycle.badge_of(found).key)


def _badges(project: Project) -> BadgesShape:
    names = project.environments.order_by("name").values_list("name", flat=True)
    return BadgesShape(
        is_public=lifecycle.badge_of(project).is_public,
        runs=_address("badge", project.name),
        environments={name: _address("environment-badge", project.name, name) for name in names},
    )


def _address(name: str, *arguments: str) -> str:
    return f"{settings.SLIPWAY_URL}{reverse(name, args=arguments)}"
