"""A project's page of what other programs show of it: badges, the CCTray feed, a calendar."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from pipelines.deploys.models import Environment
from pipelines.feeds import lifecycle
from pipelines.projects.models import Project
from server import access
from server.access import Act
from server.web import fetching, permissions


@login_required
def feeds(request: HttpRequest, project: str) -> HttpResponse:
    """GET shows the addresses; POST does one `act`: publish, hide, key (owners), calendar, revoke (one's own)."""
    found = fetching.project(request, project)
    if request.method == "POST":
        _do(request, found, request.POST.get("act", ""))
        return redirect("feeds", project)
    assert isinstance(request.user, User)
    may_change = access.may(request.user, Act.ADMINISTER, found)
    badge = lifecycle.badge_of(found)
    calendar = lifecycle.calendars_of(request.user, found)
    page = {
        "project": found,
        "badge": badge,
        "key": "" if badge.is_public else f"?key={badge.key}" if may_change else "",
        "may_change": may_change,
        "run_badge": _absolute("badge", found.name),
        "environments": [(one, _absolute("environment-badge", found.name, one.name)) for one in _places(found)],
        "cctray": _absolute("cctray"),
        "calendar": _absolute("calendar", calendar.key) if calendar else "",
        "page_url": _absolute("project", found.name),
        "not_allowed": permissions.of(request.user, found),
    }
    return render(request, "feeds.html", page)


def _do(request: HttpRequest, project: Project, act: str) -> None:
    actor = access.actor(request.user)
    assert isinstance(request.user, User)
    if act in ("publish", "hide", "key"):
        if not access.may(request.user, Act.ADMINISTER, project):
            raise PermissionDenied(f"to change the badges of {project} takes the role owner")
        if act == "key":
            lifecycle.change_key(project, actor)
        else:
            lifecycle.publish(project, act == "publish", actor)
    elif act == "calendar":
        lifecycle.make_calendar(request.user, project, actor)
    elif act == "revoke" and (mine := lifecycle.calendars_of(request.user, project)):
        lifecycle.revoke_calendar(mine, actor)


def _places(project: Project) -> list[Environment]:
    return list(project.environments.order_by("name"))


def _absolute(name: str, *arguments: str) -> str:
    return settings.SLIPWAY_URL + reverse(name, args=arguments)
