"""The first page: what is broken, what runs, what is live where."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.deploys.reads import queries as deploys
from pipelines.deploys.reads.queries import Shelf
from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs.queries import Line
from pipelines.schedules import queries as schedules
from server import access, sentences
from server.reads import fleets, queue
from server.reads.under_way import under_way
from server.web import pictures
from server.web.drawings.ribs import Ribs
from server.web.drawings.ruler import Ruler

PAGE = 25  # projects in the list; what is broken and what runs is told of all
RAIL = 6  # of what waits; the queue's own page has the rest


@dataclass(frozen=True, slots=True)
class Broken:
    """A project whose default branch is broken."""

    project: Project
    line: Line


@dataclass(frozen=True, slots=True)
class Row:
    """A project in the list: its default branch and what is live where."""

    project: Project
    line: Line
    ribs: Ribs
    ruler: Ruler | None


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    is_own = Exists(access.own_projects(request.user).filter(pk=OuterRef("pk")))
    seen = list(access.visible_projects(request.user).annotate(is_own=is_own).order_by("name"))
    own = [project for project in seen if project.is_own]
    has_others = 0 < len(own) < len(seen)
    is_mine = has_others and "all" not in request.GET
    projects = own if is_mine else seen
    sheet = Paginator(projects, PAGE).get_page(request.GET.get("page"))
    lines, shelves = runs.lines(projects), deploys.shelves(list(sheet))
    rows = [_row(project, lines[project.pk], shelves[project.pk]) for project in sheet]
    running = [one for one in under_way(projects, lines) if one.is_at_work]
    fleet = fleets.fleet()
    waits = queue.waiting_in(projects, RAIL, fleet)
    bad_deploys = deploys.broken(projects)
    broken = [Broken(project, lines[project.pk]) for project in projects if lines[project.pk].is_broken]
    page = {
        "title": sentences.dashboard(len(projects), len(broken) + len(bad_deploys), len(running), len(waits.people)),
        "rows": rows,
        "sheet": sheet,
        "number": len(projects),
        "is_mine": is_mine,
        "has_others": has_others,
        "number_of_all": len(seen),
        "needs": len(broken) + len(bad_deploys) + len(waits.people),
        "broken": broken,
        "bad_deploys": bad_deploys,
        "running": running,
        "queue": waits,
        "waiting": [*waits.ready, *waits.deploys][:RAIL],
        "fleet": fleet,
        "ahead": schedules.upcoming(projects, 3),
        "launched": deploys.newest(projects, 6),
        "subjects": " ".join(f"project:{project.pk}" for project in projects),
    }
    return render(request, "dashboard.html", page)


def _row(project: Project, line: Line, shelf: Shelf) -> Row:
    ruler = pictures.ruler(shelf, width=236, pitch=28) if shelf.releases else None
    return Row(project, line, pictures.ribs(line.runs), ruler)
