"""A run's page: its stages, their logs, why they wait, what went wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.reports import queries as reports
from pipelines.runs import approvals, queries, waiting
from pipelines.runs.models import Approval, Artifact, Attempt, Run, Stage
from pipelines.services.models import Service
from pipelines.states.status import BAD, FINAL, Status
from server import durations
from server.access import Person
from server.reads import fleets
from server.web import fetching, logs, permissions, pictures, reproduce
from server.web.run_parts import left_behind

# What a person most likely wants: what runs, else what asks for them, what went wrong first, what came last.
_INTEREST = (Status.RUNNING, Status.BLOCKED, Status.FAILED, Status.ERRORED, Status.CANCELLED, Status.SUCCEEDED)


@login_required
def run(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number)
    stages = list(found.stages.all())
    stage = _chosen(stages, request.GET.get("stage", ""))
    waits = waiting.waiting(stages, fleets.fleet() if _is_queued(stages) else None)
    page = {
        "run": found,
        "project": found.project,
        "seconds": durations.so_far(found),
        "usual_seconds": queries.usual_seconds(found),
        "done": sum(stage.status in FINAL for stage in stages),
        "stages": stages,
        "spoiled": next((stage.name for stage in stages if stage.status in BAD and not stage.allow_failure), ""),
        "graph": pictures.graph(stages, waits) if stages else None,
        "timeline": pictures.timeline(found, stages, queries.queued_at(stages), waits) if stages else None,
        "not_allowed": permissions.of(request.user, found.project),
        "subjects": f"run:{found.pk}",
        "tally": reports.tally(found),
        "of_all": left_behind(found),
        "why_waiting": waits.get(stage.pk, "") if stage else "",
        "looks_again": bool(waits) and not found.is_final,
        "is_chosen": stage is not None and stage.name == request.GET.get("stage"),
        "may_rerun_failed": found.is_final and found.status != Status.SUCCEEDED and bool(stages),
        "let_in_by": _let_in_by(found),
        **_of_stage(stage, request.GET),
        **_approval(stage, request.user),
    }
    return render(request, "run.html", page)


def _is_queued(stages: Sequence[Stage]) -> bool:
    return any(stage.status == Status.QUEUED for stage in stages)


def _chosen(stages: Sequence[Stage], name: str) -> Stage | None:
    named = next((stage for stage in stages if stage.name == name), None)
    if named is not None:
        return named
    own = [stage for stage in stages if not stage.taken_from_id] or stages  # what was taken over is over already
    for status in _INTEREST:
        alike = [stage for stage in own if stage.status == status]
        if alike:
            return alike[-1] if status == Status.SUCCEEDED else alike[0]
    return own[0] if own else None


def _of_stage(stage: Stage | None, asked: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows of one stage: an attempt (the last, unless asked otherwise), its log or that of one of its
    services, steps and artifacts. What was taken over is shown where it was made."""
    if stage is None:
        return {"stage": None, "attempt": None}
    attempts = list(queries.attempts_of(stage) if stage.taken_from_id else stage.attempts.all())
    wanted = [attempt for attempt in attempts if str(attempt.number) == asked.get("attempt")]
    shown = wanted or attempts[-1:]
    about = {"stage": stage, "attempts": attempts, "reproduce": reproduce.commands(stage)}
    if not shown:
        return {**about, "attempt": None}
    attempt = shown[0]
    services = list(attempt.services.select_related("log").order_by("name"))
    service = next((one for one in services if one.name == asked.get("service")), None)
    artifacts = list(attempt.artifacts.order_by("path") if stage.taken_from_id else attempt.artifacts.all())
    return {
        **about,
        "attempt": attempt,
        "is_last": attempt == attempts[-1],
        "services": services,
        "service": service,
        "shown": _log(stage, attempt, service),
        "artifacts": [one for one in artifacts if not _is_image(one)],
        "images": [one for one in artifacts if _is_image(one)],
        "left_behind": len(artifacts),
    }


def _is_image(artifact: Artifact) -> bool:
    """An image lies in a registry or on the runner, under its digest: there is nothing to download here."""
    return not artifact.storage_name and artifact.expired_at is None


def _log(stage: Stage, attempt: Attempt, service: Service | None) -> logs.ShownLog:
    if service is not None:
        return logs.shown(service.log, f"service {service.name} of {stage.name}, attempt {attempt.number}")
    return logs.shown(attempt.log, f"{stage.name}, attempt {attempt.number}")


def _approval(stage: Stage | None, person: Person) -> dict[str, Any]:
    """What people are asked before a stage may start, and what they have said."""
    if stage is None or not stage.approvals or not isinstance(person, User):
        return {"approval": None}
    words = approvals.words([stage]).get(stage.pk, [])
    asks = stage.status == Status.BLOCKED
    return {
        "approval": approvals.approval_of(stage),
        "asks": asks,
        "words": words,
        "agreed": sum(not word.refused for word in words),
        "why_not": approvals.why_not(stage, person) if asks else "",
    }


def _let_in_by(run: Run) -> Sequence[Approval]:
    """Who let foreign code in."""
    if run.trusted:
        return []
    return list(run.approvals.filter(stage=None, sha=run.sha, refused=False).order_by("pk"))
