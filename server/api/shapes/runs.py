"""Runs, their stages, attempts and artifacts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from ninja import Field, Schema

from pipelines.runs import queries, waiting
from pipelines.runs.models import Artifact, Attempt, Run, Stage
from pipelines.states.status import Status
from server.api.shapes.words import page
from server.reads import fleets


class ArtifactShape(Schema):
    """Files of a stage; `url` is empty when there is nothing to download: an image, or files that have expired."""

    id: int
    name: str
    stage: str
    bytes: int
    digest: str
    url: str


class AttemptShape(Schema):
    number: int
    status: Status
    reason: str
    exit_code: int | None
    log: int = Field(description="Id of its log")
    started_at: datetime | None
    finished_at: datetime | None


class StageShape(Schema):
    """`reason` says of one that waits what for."""

    name: str
    status: Status
    reason: str
    needs: list[str]
    approvals: int = Field(description="How many people must agree before it starts")
    attempts: list[AttemptShape]
    started_at: datetime | None
    finished_at: datetime | None


class RunShape(Schema):
    number: int
    project: str
    status: Status
    reason: str
    ref: str
    sha: str
    title: str
    author: str
    event: str
    asked_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    url: str
    rerun_of: int | None
    release: int | None = Field(description="Number of the release that was cut of it")


class WholeRun(RunShape):
    """With its stages and what they left."""

    problems: list[str] = Field(description="What is wrong with the pipeline file, each with its line")
    parameters: dict[str, str]
    stages: list[StageShape]
    artifacts: list[ArtifactShape]


def run(found: Run) -> RunShape:
    """Its `release` and `rerun_of` are at hand."""
    return RunShape(**_columns(found))


def whole_run(found: Run) -> WholeRun:
    """As `queries.whole` gives it."""
    stages = list(found.stages.all())
    by_stage = _attempts(stages)
    is_queued = any(stage.status == Status.QUEUED for stage in stages)
    why = {} if found.is_final else waiting.waiting(stages, fleets.fleet() if is_queued else None)
    left = [(stage.name, artifact) for stage in stages for artifact in _left(by_stage[stage.pk])]
    return WholeRun(
        **_columns(found),
        problems=[_problem(one) for one in found.problems],
        parameters={name: str(value) for name, value in found.parameters.items()},
        stages=[_stage(stage, by_stage[stage.pk], why) for stage in stages],
        artifacts=[_artifact(name, one) for name, one in left],
    )


def _columns(found: Run) -> dict[str, Any]:
    release = getattr(found, "release", None)
    return {
        "number": found.number,
        "project": found.project.name,
        "status": found.status,
        "reason": found.reason,
        "ref": found.ref,
        "sha": found.sha,
        "title": found.title,
        "author": found.author,
        "event": found.event_kind,
        "asked_by": found.asked_by,
        "created_at": found.created_at,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
        "url": page(reverse("run", args=[found.project.name, found.number])),
        "rerun_of": found.rerun_of.number if found.rerun_of else None,
        "release": release.number if release else None,
    }


def _attempts(stages: Iterable[Stage]) -> Mapping[int, Sequence[Attempt]]:
    """Stage id → its attempts; of one that was taken over, those of the stage that did its work."""
    stages = list(stages)
    elsewhere = queries.attempts_of_all([stage.taken_from_id for stage in stages if stage.taken_from_id])
    return {
        stage.pk: elsewhere.get(stage.taken_from_id, []) if stage.taken_from_id else list(stage.attempts.all())
        for stage in stages
    }


def _left(attempts: Sequence[Attempt]) -> Iterable[Artifact]:
    return attempts[-1].artifacts.all() if attempts else ()


def _stage(stage: Stage, attempts: Sequence[Attempt], why: Mapping[int, str]) -> StageShape:
    return StageShape(
        name=stage.name,
        status=Status(stage.status),
        reason=stage.reason or why.get(stage.pk, ""),
        needs=list(stage.needs),
        approvals=stage.approvals,
        attempts=[_attempt(one) for one in attempts],
        started_at=stage.started_at,
        finished_at=stage.finished_at,
    )


def _attempt(attempt: Attempt) -> AttemptShape:
    return AttemptShape(
        number=attempt.number,
        status=Status(attempt.status),
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        log=attempt.log_id,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
    )


def _artifact(stage: str, found: Artifact) -> ArtifactShape:
    there = bool(found.storage_name) and found.expired_at is None
    return ArtifactShape(
        id=found.pk,
        name=found.path,
        stage=stage,
        bytes=found.size,
        digest=found.digest,
        url=page(reverse("api:artifact", args=[found.pk])) if there else "",
    )


def _problem(stored: Mapping[str, object]) -> str:
    place = f"{stored.get('path') or 'line'}:{stored.get('line')}:{stored.get('column')}"
    return f"{place}: {stored.get('key_path') or stored.get('key') or ''} {stored.get('message') or ''}".strip()
