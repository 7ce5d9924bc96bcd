"""Projects, and what is live where."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from ninja import Field, Schema

from pipelines.deploys.reads.queries import Shelf
from pipelines.projects.models import Project
from pipelines.runs.queries import Line
from pipelines.states.status import Status
from server.api.shapes.words import page


class Live(Schema):
    """An environment, and the number of the release that it runs."""

    name: str
    release: int | None


class LastRun(Schema):
    number: int
    status: Status
    title: str
    finished_at: datetime | None


class ProjectShape(Schema):
    name: str
    default_branch: str
    url: str
    status: Status | None = Field(description="Of the newest run of the default branch that ended on its own account")
    last_runs: list[LastRun] = Field(description="Of the default branch, newest first")
    environments: list[Live]


class WholeProject(ProjectShape):
    """`clone_url` is told to those who may edit the pipeline; null for everybody else."""

    clone_url: str | None
    spec_path: str
    spec_source: str
    acts: list[str] = Field(description="What the caller may do there")


def project(found: Project, line: Line, shelf: Shelf) -> ProjectShape:
    return ProjectShape(**_columns(found, line, shelf, 5))


def whole_project(found: Project, line: Line, shelf: Shelf, acts: Sequence[str], *, tells_url: bool) -> WholeProject:
    return WholeProject(
        **_columns(found, line, shelf, 20),
        clone_url=found.clone_url if tells_url else None,
        spec_path=found.spec_path,
        spec_source=found.spec_source,
        acts=list(acts),
    )


def _columns(found: Project, line: Line, shelf: Shelf, length: int) -> dict[str, Any]:
    newest = list(reversed(line.runs))[:length]
    return {
        "name": found.name,
        "default_branch": found.default_branch,
        "url": page(reverse("project", args=[found.name])),
        "status": line.verdict.status if line.verdict else None,
        "last_runs": [
            LastRun(number=run.number, status=Status(run.status), title=run.title, finished_at=run.finished_at)
            for run in newest
        ],
        "environments": [
            Live(name=place.name, release=place.current.number if place.current else None)
            for place in shelf.environments
        ],
    }
