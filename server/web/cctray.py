"""The CCTray feed: how the default branch of each project stands, for build lights and desktop notifiers."""

import base64
import binascii
from typing import Any
from xml.sax.saxutils import quoteattr

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from pipelines.people import tokens
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from pipelines.states.status import FINAL, Status
from server import access
from server.access import Bearer, Person

_LAST = {
    Status.SUCCEEDED: "Success",
    Status.FAILED: "Failure",
    Status.ERRORED: "Exception",
    Status.CANCELLED: "Unknown",
    Status.SKIPPED: "Success",
}


@require_safe
def cctray(request: HttpRequest) -> HttpResponse:
    """Of the projects that a session or a token sees; a program shows its token as bearer, or as the password."""
    person = _person(request)
    if person is None:
        response = HttpResponse("Sign in, or show a token.\n", status=401, content_type="text/plain; charset=utf-8")
        response["WWW-Authenticate"] = 'Basic realm="Slipway: the token is the password", charset="UTF-8"'
        return response
    response = HttpResponse(_written(access.visible_projects(person)), content_type="application/xml; charset=utf-8")
    response["Cache-Control"] = "private, no-cache"
    return response


def _person(request: HttpRequest) -> Person | None:
    if request.user.is_authenticated:
        return request.user
    token = tokens.bearer_of(_shown(request.headers.get("Authorization", "")))
    return Bearer(token) if token else None


def _shown(header: str) -> str:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return value.strip() if kind.lower() == "bearer" else ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _written(projects: QuerySet[Project]) -> str:
    """Two questions, however many projects there are."""
    rows = projects.order_by("name").annotate(newest=_last(), ended=_last(finished_at__isnull=False))
    runs = Run.objects.in_bulk([pk for row in rows for pk in (row.newest, row.ended) if pk])
    lines = [_line(row, runs.get(row.newest), runs.get(row.ended)) for row in rows]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<Projects>", *lines, "</Projects>", ""])


def _last(**which: Any) -> Subquery:
    """The newest run of a project's default branch."""
    ref = Concat(Value("refs/heads/"), OuterRef("default_branch"))
    return Subquery(Run.objects.filter(project=OuterRef("pk"), ref=ref, **which).order_by("-number").values("pk")[:1])


def _line(project: Project, newest: Run | None, ended: Run | None) -> str:
    is_building = newest is not None and newest.status not in FINAL
    told = {
        "name": project.name,
        "activity": "Building" if is_building else "Sleeping",
        "lastBuildStatus": _LAST[Status(ended.status)] if ended else "Unknown",
        "lastBuildLabel": str(ended.number) if ended else "",
        "lastBuildTime": ended.finished_at.isoformat(timespec="seconds") if ended and ended.finished_at else "",
        "webUrl": settings.SLIPWAY_URL + reverse("project", args=[project.name]),
    }
    return f"  <Project {' '.join(f'{name}={quoteattr(value)}' for name, value in told.items())}/>"
