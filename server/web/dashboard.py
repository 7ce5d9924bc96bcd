"""The first page: what is broken, what runs, what is live where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.deploys.models import Deploy
from pipelines.deploys.reads import queries as deploys
from pipelines.deploys.reads.queries import Shelf
from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs.models import Run
from pipelines.runs.queries import Line
from pipelines.schedules import queries as schedules
from pipelines.states.status import Status
from server import access
from server.web import fleets, pictures, queue, sentences
from server.web.drawings.ribs import Ribs
from server.web.drawings.ruler import Ruler

NAMED = 3  # stages of one run
RAIL = 6  # of what waits; the queue's own page has the rest


@dataclass(frozen=True, slots=True)
class Row:
    """A project in the list: its default branch and what is live where."""

    project: Project
    line: Line
    ribs: Ribs
    ruler: Ruler | None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A run or a deploy that has not ended, with how long its kind usually takes."""

    run: Run | None
    deploy: Deploy | None
    usual_seconds: float | None

    @property
    def doing(self) -> str:
        """Which stages of a run are performed, or that none is."""
        statuses = {stage.name: stage.status for stage in self.run.stages.all()} if self.run else {}
        running = [name for name, status in statuses.items() if status == Status.RUNNING]
        if len(running) > NAMED:
            return f"{len(running)} stages"
        asks = Status.BLOCKED in statuses.values()
        return ", ".join(running) or ("waits for a person" if asks else "waits for its turn")

    @property
    def hosts(self) -> str:
        """How far the hosts of a deploy have come."""
        return sentences.hosts([row.status for row in self.deploy.hosts.all()]) if self.deploy else ""


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    projects = list(access.visible_projects(request.user).order_by("name"))
    lines, shelves = runs.lines(projects), deploys.shelves(projects)
    rows = [_row(project, lines[project.pk], shelves[project.pk]) for project in projects]
    running, fleet = _under_way(projects, lines), fleets.fleet()
    waits = queue.waiting_in(projects, RAIL, fleet)
    bad_deploys = deploys.broken(projects)
    broken = [row for row in rows if row.line.is_broken]
    page = {
        "title": sentences.dashboard(len(rows), len(broken) + len(bad_deploys), len(running), len(waits.people)),
        "rows": rows,
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


def _under_way(projects: Sequence[Project], lines: Mapping[int, Line]) -> list[UnderWay]:
    """What runs."""
    started = [run for run in runs.unfinished(projects) if run.status == Status.RUNNING]
    found = [UnderWay(run, None, lines[run.project_id].usual_seconds) for run in started]
    unfinished = [deploy for deploy in deploys.unfinished(projects) if deploy.status == Status.RUNNING]
    usual = deploys.usual({deploy.environment for deploy in unfinished})
    return found + [UnderWay(None, deploy, usual.get(deploy.environment_id)) for deploy in unfinished]
