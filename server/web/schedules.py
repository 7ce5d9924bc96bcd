"""A project's schedules: what runs when nobody pushes."""

from collections.abc import Callable
from zoneinfo import available_timezones

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.schedules import lifecycle, queries
from pipelines.schedules.models import Schedule
from server import access
from server.access import Act
from server.web import fetching, permissions

_ACTS: dict[str, Callable[[Schedule, str], None]] = {
    "pause": lifecycle.pause,
    "resume": lifecycle.resume,
    "remove": lifecycle.remove,
}


class BadParameters(UserError):
    """Not one NAME=value a line."""


@login_required
def schedules(request: HttpRequest, project: str) -> HttpResponse:
    """The list, and the form that adds one."""
    found = fetching.project(request, project, Act.SCHEDULE if request.method == "POST" else Act.VIEW)
    problem = ""
    if request.method == "POST":
        try:
            made = _make(request, found)
        except UserError as error:
            problem = str(error)
        else:
            messages.success(request, f"{made.name} fires next {made.next_at:%Y-%m-%d %H:%M} UTC.")
            return redirect("schedules", project)
    page = {
        "project": found,
        "lines": queries.of_project(found, timezone.now()),
        "zones": sorted(available_timezones()),
        "given": request.POST,
        "problem": problem,
        "not_allowed": permissions.of(request.user, found),
        "subjects": f"project:{found.pk}",
    }
    return render(request, "schedules.html", page, status=400 if problem else 200)


@login_required
@require_POST
def change(request: HttpRequest, project: str, schedule_id: int) -> HttpResponse:
    """`act` is pause, resume or remove."""
    found = fetching.project(request, project, Act.SCHEDULE)
    schedule = get_object_or_404(Schedule.objects.select_related("project"), project=found, pk=schedule_id)
    act = _ACTS.get(request.POST.get("act", ""))
    if act is not None:
        try:
            act(schedule, access.actor(request.user))
        except UserError as error:
            messages.error(request, f"Nothing was changed: {error}.")
    return redirect("schedules", project)


def _make(request: HttpRequest, project: Project) -> Schedule:
    given = {name: request.POST.get(name, "").strip() for name in ("name", "cron", "timezone", "branch")}
    return lifecycle.make(
        project,
        given["name"],
        given["cron"],
        given["timezone"] or "UTC",
        given["branch"],
        _parameters(request.POST.get("parameters", "")),
        access.actor(request.user),
    )


def _parameters(text: str) -> dict[str, str]:
    """One NAME=value a line; the run checks them against what the pipeline asks for. Raises BadParameters."""
    lines = [line.strip() for line in text[:16_384].splitlines() if line.strip()]
    for line in lines:
        name, is_pair, _ = line.partition("=")
        if not (is_pair and name.strip()):
            raise BadParameters(f"{line[:80]!r} is no parameter: one NAME=value a line")
    pairs = [line.split("=", 1) for line in lines]
    return {name.strip(): value.strip() for name, value in pairs}
