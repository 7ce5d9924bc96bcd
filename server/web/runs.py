"""A run's page: its stages, their logs, what went wrong; and the button that cancels it."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from pipelines.runs import lifecycle, queries
from pipelines.runs.models import Stage
from pipelines.states.status import BAD, FINAL, Status
from server import access
from server.access import Act
from server.web import durations, fetching, logs, permissions, pictures

# Whose log a person most likely wants: what runs, else what went wrong first, else what came last.
_INTEREST = (Status.RUNNING, Status.FAILED, Status.ERRORED, Status.CANCELLED, Status.SUCCEEDED)


@login_required
def run(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number)
    stages = list(found.stages.all())
    stage = _chosen(stages, request.GET.get("stage", ""))
    page = {
        "run": found,
        "project": found.project,
        "seconds": durations.so_far(found),
        "usual_seconds": queries.usual_seconds(found),
        "done": sum(stage.status in FINAL for stage in stages),
        "stages": stages,
        "spoiled": next((stage.name for stage in stages if stage.status in BAD), ""),
        "graph": pictures.graph(stages) if stages else None,
        "timeline": pictures.timeline(found, stages, queries.queued_at(stages)) if stages else None,
        "not_allowed": permissions.of(request.user, found.project),
        "subjects": f"run:{found.pk}",
        **_of_stage(stage, request.GET.get("attempt")),
    }
    return render(request, "run.html", page)


@login_required
@require_POST
def cancel(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number, Act.CANCEL)
    lifecycle.cancel(found, access.actor(request.user))
    return redirect("run", project, number)


def _chosen(stages: Sequence[Stage], name: str) -> Stage | None:
    named = next((stage for stage in stages if stage.name == name), None)
    if named is not None:
        return named
    for status in _INTEREST:
        alike = [stage for stage in stages if stage.status == status]
        if alike:
            return alike[-1] if status == Status.SUCCEEDED else alike[0]
    return stages[0] if stages else None


def _of_stage(stage: Stage | None, number: str | None) -> dict[str, Any]:
    """What the page shows of one stage: an attempt (the last, unless asked otherwise), its log, steps and artifacts."""
    if stage is None:
        return {"stage": None, "attempt": None}
    attempts = list(stage.attempts.all())
    wanted = [attempt for attempt in attempts if str(attempt.number) == number]
    shown = wanted or attempts[-1:]
    if not shown:
        return {"stage": stage, "attempt": None, "attempts": []}
    attempt = shown[0]
    log = logs.shown(attempt.log, f"{stage.name}, attempt {attempt.number}")
    return {"stage": stage, "attempt": attempt, "attempts": attempts, "shown": log}
