"""What arrived, and what came of it."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.runs import queries, replays
from pipelines.runs.models import Event, Outcome
from pipelines.runs.receiving import ASKED
from server import access
from server.access import Act
from server.web import fetching, permissions

PAGE = 50
_FILTERS = {"": (), "run": (Outcome.RUN,), "none": (Outcome.KNOWN, Outcome.STORED)}
SHOWN_BYTES = 64 * 1024  # of a payload


@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    projects = list(access.visible_projects(request.user).order_by("name"))
    return render(request, "events.html", {"event": None, **_list(request, projects)})


@login_required
def of_project(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project)
    return render(request, "events.html", {"project": found, "event": None, **_list(request, [found])})


@login_required
def event(request: HttpRequest, project: str, event_id: int) -> HttpResponse:
    found = fetching.project(request, project)
    one = _event(found, event_id)
    page = {
        "project": found,
        "event": one,
        "payload": _payload(one),
        "no_replay": permissions.of(request.user, found).get("run") or replays.why_not(one),
        **_list(request, [found], event_id + 1),
    }
    return render(request, "events.html", page)


@login_required
@require_POST
def replay(request: HttpRequest, project: str, event_id: int) -> HttpResponse:
    found = fetching.project(request, project, Act.RUN)
    try:
        made = replays.replay(_event(found, event_id), access.actor(request.user))
    except UserError as error:
        messages.error(request, f"Not replayed: {error}.")
        return redirect("event", project, event_id)
    return redirect("run", project, made.number)


def _event(project: Project, event_id: int) -> Event:
    return get_object_or_404(Event.objects.select_related("project", "run"), project=project, pk=event_id)


def _list(request: HttpRequest, projects: list[Project], before: int | None = None) -> dict[str, Any]:
    shown = request.GET.get("show", "")
    before = fetching.whole_number(request.GET.get("before")) or before
    found = queries.events(projects, _FILTERS.get(shown, ()), before, PAGE + 1)
    return {
        "events": found[:PAGE],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "shown": shown,
        "asked": ASKED,
        "before": before,
        "subjects": " ".join(f"project:{project.pk}" for project in projects),
    }


def _payload(event: Event) -> str:
    """The stored body as people read it; nothing secret is in it, the signature's secret never was."""
    if event.payload is None:
        return ""
    text = json.dumps(event.payload, indent=2, ensure_ascii=False)
    return text if len(text) <= SHOWN_BYTES else text[:SHOWN_BYTES] + "\n…"
