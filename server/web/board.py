"""The environment board: who runs what, where, and what would change if the newest release went there now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.deploys.models import Environment
from pipelines.deploys.reads import board as reads
from pipelines.deploys.reads.board import Place
from pipelines.projects.models import Project
from server import access, sentences
from server.web import codehosts

PAGE = 20  # projects


@dataclass(frozen=True, slots=True)
class Row:
    """An environment on the board; `comparison` is the code host's page of what would change, or empty."""

    place: Place
    comparison: str

    @property
    def state(self) -> tuple[str, str]:
        """Glyph and word."""
        place = self.place
        if place.unhealthy:
            return "failed", sentences.counted(len(place.unhealthy), "unhealthy host")
        if place.drifted:
            return "blocked", sentences.counted(len(place.drifted), "drifted host")
        if not place.environment.current:
            return "pending", "nothing live"
        return ("succeeded", "healthy") if place.healthy == len(place.hosts) else ("pending", "not known")


@login_required
def board(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("find", "").strip()[:60]
    seen = access.visible_projects(request.user).filter(Exists(Environment.objects.filter(project=OuterRef("pk"))))
    wanted = seen.filter(name__icontains=asked) if asked else seen
    sheets = Paginator(wanted.order_by("name"), PAGE)
    sheet = sheets.get_page(request.GET.get("page"))
    projects = list(sheet)
    rows = [Row(place, _comparison(place)) for place in reads.places(projects)]
    page = {
        "title": _title(rows),
        "groups": _groups(rows),
        "asked": asked,
        "sheet": sheet,
        "is_long": bool(asked) or sheets.num_pages > 1,
        "subjects": " ".join(f"project:{project.pk}" for project in projects),
    }
    return render(request, "board.html", page)


def _groups(rows: Sequence[Row]) -> Mapping[Project, Sequence[Row]]:
    return {project: list(found) for project, found in groupby(rows, key=lambda row: row.place.environment.project)}


def _comparison(place: Place) -> str:
    return codehosts.comparison(place.environment.project, place.next.commits) if place.next else ""


def _title(rows: Sequence[Row]) -> str:
    if not rows:
        return "No environments yet"
    places = [row.place for row in rows]
    told = [
        (sum(bool(place.unhealthy) for place in places), "unwell"),
        (sum(bool(place.drifted) for place in places), "drifted"),
        (sum(place.under_way is not None for place in places), "being deployed to"),
        (sum(place.next is not None for place in places), "behind"),
    ]
    parts = [f"{number} {word}" for number, word in told if number]
    return f"{sentences.counted(len(places), 'environment')}, {', '.join(parts) or 'all well and up to date'}"
