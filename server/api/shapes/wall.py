"""How everything stands, at a glance."""

from datetime import datetime
from typing import Literal

from django.urls import reverse
from ninja import Field, Schema

from pipelines.deploys.models import Deploy
from pipelines.deploys.reads.live import Live
from pipelines.runs.models import Run
from pipelines.states.status import Status
from server.api.shapes.waiting import WaitingShape, waiting
from server.api.shapes.words import page
from server.reads.standings import Standing, Trouble
from server.reads.under_way import UnderWay


class TroubleShape(Schema):
    """Something that is broken, in words; `note` says by whom or of what."""

    status: Status
    name: str
    what: str
    note: str
    since: datetime | None
    is_production: bool


class UnderWayShape(Schema):
    """`doing` is which stages of a run are at work, or how far the hosts of a deploy have come."""

    project: str
    kind: Literal["run", "deploy"]
    number: int
    title: str
    doing: str
    seconds: float
    usual_seconds: float | None
    url: str


class FineShape(Schema):
    """A project whose default branch is green; `at` is when that was seen."""

    project: str
    at: datetime | None


class ProductionShape(Schema):
    project: str
    environment: str
    release: int | None
    since: datetime | None


class WallShape(Schema):
    """What is broken first, production before all else; `untried` are projects whose default branch has not run."""

    title: str
    troubles: list[TroubleShape]
    running: list[UnderWayShape]
    waiting: list[WaitingShape] = Field(description="The first of each kind; `GET /queue` has more")
    fine: list[FineShape]
    untried: list[str]
    production: list[ProductionShape]


def wall(found: Standing) -> WallShape:
    return WallShape(
        title=found.title,
        troubles=[_trouble(one) for one in found.troubles],
        running=[_under_way(one) for one in found.running],
        waiting=[waiting(one) for one in found.waiting],
        fine=[FineShape(project=one.project.name, at=one.at) for one in found.fine],
        untried=[project.name for project in found.untried],
        production=[_live(one) for one in found.production],
    )


def _trouble(one: Trouble) -> TroubleShape:
    return TroubleShape(
        status=Status(one.status),
        name=one.name,
        what=one.what,
        note=one.note,
        since=one.since,
        is_production=one.is_production,
    )


def _under_way(one: UnderWay) -> UnderWayShape:
    row = one.run or one.deploy
    assert row is not None
    kind: Literal["run", "deploy"] = "run" if one.run else "deploy"
    return UnderWayShape(
        project=one.project.name,
        kind=kind,
        number=row.number,
        title=_title(row),
        doing=one.doing if one.run else one.hosts,
        seconds=one.seconds,
        usual_seconds=one.usual_seconds,
        url=page(reverse(kind, args=[one.project.name, row.number])),
    )


def _title(row: Run | Deploy) -> str:
    return row.title if isinstance(row, Run) else f"release {row.release.number} → {row.environment.name}"


def _live(one: Live) -> ProductionShape:
    place = one.environment
    release = place.current.number if place.current else None
    return ProductionShape(project=place.project.name, environment=place.name, release=release, since=one.since)
