"""Search over what the caller sees: projects, runs, commits, people, and the text of logs."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from pipelines.finding import Kind, Look, Matched, find
from server import access
from server.api.callers import caller
from server.api.shapes import lines
from server.api.shapes import runs as shapes
from server.api.shapes.lines import LineShape
from server.api.shapes.runs import RunShape
from server.api.shapes.words import Short

router = Router(tags=["Search"])


class WantedThings(Schema):
    """`logs` reads logs too, newest first, for about a second; the next look begins at its `before`."""

    q: Short = Field(min_length=1, examples=["timeout"])
    kind: Kind | None = Field(None, description="One kind alone; else all but logs")
    limit: int = Field(10, ge=1, le=50)
    before: int | None = Field(None, ge=1, le=2**53)


class Author(Schema):
    name: str
    run: RunShape = Field(description="The newest with a commit of theirs")


class LogHits(Schema):
    """Lines of one log: of a stage of a run, or of a deploy."""

    log: int
    project: str
    run: int | None
    stage: str
    deploy: int | None
    host: str
    lines: list[LineShape]
    more: bool


class LogLook(Schema):
    matched: list[LogHits]
    logs: int = Field(description="How many were read")
    back_to: datetime | None
    before: int | None = Field(description="Where the next look begins; null when nothing older is left")


class FoundShape(Schema):
    projects: list[str]
    runs: list[RunShape]
    commits: list[RunShape]
    people: list[Author]
    logs: LogLook | None


@router.get("/search", response=FoundShape)
def search(request: HttpRequest, wanted: Query[WantedThings]) -> FoundShape:
    """What is called so, or says so."""
    kinds = [wanted.kind] if wanted.kind else [kind for kind in Kind if kind != Kind.LOGS]
    found = find(access.visible_projects(caller(request)), wanted.q, kinds, wanted.limit, before=wanted.before)
    return FoundShape(
        projects=[project.name for project in found.projects],
        runs=[shapes.run(run) for run in found.runs],
        commits=[shapes.run(run) for run in found.commits],
        people=[Author(name=one.name, run=shapes.run(one.newest)) for one in found.people],
        logs=_look(found.logs) if found.logs else None,
    )


def _look(look: Look) -> LogLook:
    return LogLook(
        matched=[_hits(one) for one in look.matched], logs=look.logs, back_to=look.back_to, before=look.before
    )


def _hits(one: Matched) -> LogHits:
    owner = one.owner
    return LogHits(
        log=one.log_id,
        project=owner.project,
        run=owner.run,
        stage=owner.stage,
        deploy=owner.deploy,
        host=owner.host,
        lines=[lines.line(line) for line in one.lines],
        more=one.more,
    )
