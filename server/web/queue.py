"""The queue: what waits and why, over all projects that a person sees."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from server import access, sentences
from server.reads import fleets
from server.reads.queue import Queue, count, waiting_in

SHOWN = 200  # of each kind


@login_required
def queue(request: HttpRequest) -> HttpResponse:
    projects = list(access.visible_projects(request.user).order_by("name"))
    there = fleets.fleet()
    found = waiting_in(projects, SHOWN, there)
    page = {
        "title": _title(found),
        "queue": found,
        "fleet": there,
        "left_out": max(found.total - len(found.all), 0),
        "subjects": " ".join(f"project:{project.pk}" for project in projects),
    }
    return render(request, "queue.html", page)


def waiting_number(request: HttpRequest) -> Mapping[str, Any]:
    """For every page's bar: asked for only where it is shown."""
    return {"waiting_number": lambda: count(request.user) if request.user.is_authenticated else 0}


def _title(found: Queue) -> str:
    if not found.total:
        return "Nothing waits"
    parts = [sentences.counted(found.total, "thing waits", "things wait")]
    if found.people:
        parts.append(f"{len(found.people)} for a person")
    return ", ".join(parts)
