"""What a run brought and left: the commits since the branch was last green, and the artifacts of all its stages."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.reports import queries as reports
from pipelines.runs.commits import suspects
from pipelines.runs.models import Run
from pipelines.runs.queries import queued_at
from server import durations
from server.web import fetching, pictures


@login_required
def commits(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number)
    page = {**_head(found), "tab": "commits", "brought": suspects(found)}
    return render(request, "run_commits.html", page)


@login_required
def artifacts(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number)
    left = [one for stage in found.stages.all() for attempt in stage.attempts.all() for one in attempt.artifacts.all()]
    return render(request, "run_artifacts.html", {**_head(found), "tab": "artifacts", "left": left})


def _head(run: Run) -> dict[str, Any]:
    """What stands around each part of a run."""
    stages = list(run.stages.all())
    return {
        "run": run,
        "project": run.project,
        "seconds": durations.so_far(run),
        "graph": pictures.graph(stages) if stages else None,
        "timeline": pictures.timeline(run, stages, queued_at(stages)) if stages else None,
        "tally": reports.tally(run),
        "left_behind": left_behind(run),
        "subjects": f"run:{run.pk}",
    }


def left_behind(run: Run) -> int:
    """How many artifacts its stages have left."""
    return sum(len(attempt.artifacts.all()) for stage in run.stages.all() for attempt in stage.attempts.all())
