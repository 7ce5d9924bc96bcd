"""Environments: what is live in one, on which hosts, what keeps deploys away, and what a deploy would change."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from ninja import Field, Schema

from pipelines.deploys.models import Deploy, Environment, Freeze, Host, Lock, LockLevel, Waits
from pipelines.deploys.reads.board import Place
from pipelines.deploys.reads.commits import Commits
from pipelines.deploys.reads.previews import Preview
from pipelines.deploys.reads.queries import Change
from pipelines.deploys.reads.ways import Way
from pipelines.states.status import Status
from server import sentences
from server.api.shapes.words import page


class HostShape(Schema):
    name: str
    group: str
    release: int | None
    healthy: bool | None = Field(description="What its last health check said; null: not known")
    health: str
    drift: list[str] = Field(description="Where it differs from the record")
    checked_at: datetime | None


class LockShape(Schema):
    id: int
    level: LockLevel
    reason: str
    taken_by: str
    taken_at: datetime
    until: datetime | None


class FreezeShape(Schema):
    name: str
    until: datetime


class Pause(Schema):
    by: str
    because: str
    at: datetime


class Commit(Schema):
    sha: str
    title: str
    author: str


class ChangeShape(Schema):
    """A plain value before and after; null where there is none."""

    name: str
    old: str | None
    new: str | None


class Rollback(Schema):
    """What the rollback panel says: what going back to release `to` would change."""

    to: int
    title: str
    quarantines: list[int]
    others: list[int] = Field(description="What else can be gone back to")
    hosts: int
    astray: list[str] = Field(description="Hosts that may run something else than what is live")
    changes: list[ChangeShape]
    migrates: bool
    strategy: str
    refused: str = Field(description="Why it would have to wait; empty when it would not")


class EnvironmentShape(Schema):
    name: str
    project: str
    url: str
    page: str
    is_production: bool
    ref_pattern: str
    automatic: bool
    release: int | None
    since: datetime | None
    status: Status | None = Field(description="Of what is under way, or waits next; else of what brought the live one")
    deploys: list[int] = Field(description="Numbers of the deploys that run or wait, in their order")
    paused: Pause | None
    locks: list[LockShape]
    freezes: list[FreezeShape]
    hosts: list[HostShape]


class WholeEnvironment(EnvironmentShape):
    configuration: int = Field(description="Newest version; 0: none yet")
    rollback: Rollback | None


class RefusalShape(Schema):
    waits_for: Waits | None
    reason: str
    until: datetime | None


class PreviewShape(Schema):
    """What deploying a release now would change. `impossible`: why it never may; `refusals`: what it would wait for."""

    environment: str
    release: int
    impossible: str
    refusals: list[RefusalShape]
    backwards: bool
    commits: list[Commit]
    commits_left_out: int
    changes: list[ChangeShape]
    secrets: int
    strategy: str
    waves: list[list[str]]
    problem: str
    migrate: str
    irreversible: bool
    ahead: int
    usual_seconds: float | None


def environment(place: Place) -> EnvironmentShape:
    return EnvironmentShape(**_columns(place))


def whole_environment(place: Place, way: Way | None, configuration: int) -> WholeEnvironment:
    return WholeEnvironment(
        **_columns(place), configuration=configuration, rollback=rollback(way) if way is not None else None
    )


def rollback(way: Way) -> Rollback:
    return Rollback(
        to=way.target.number,
        title=way.target.title,
        quarantines=[release.number for release in way.quarantines],
        others=[release.number for release in way.others],
        hosts=way.hosts,
        astray=[row.host.name for row in way.strays],
        changes=changes(way.changes),
        migrates=way.migrates,
        strategy=sentences.strategy(way.strategy),
        refused=way.refused,
    )


def preview(found: Preview) -> PreviewShape:
    return PreviewShape(
        environment=found.environment.name,
        release=found.release.number,
        impossible=found.impossible,
        refusals=[RefusalShape(waits_for=one.waits_for, reason=one.reason, until=one.until) for one in found.refusals],
        backwards=found.backwards,
        commits=_commits(found.commits),
        commits_left_out=found.commits.left_out if found.commits else 0,
        changes=changes(found.changes),
        secrets=found.secrets,
        strategy=sentences.strategy(found.strategy),
        waves=[[host.name for host in wave] for wave in found.waves],
        problem=found.problem,
        migrate=found.migrate,
        irreversible=found.irreversible,
        ahead=found.ahead,
        usual_seconds=found.usual_seconds,
    )


def changes(found: Iterable[Change]) -> list[ChangeShape]:
    return [ChangeShape(name=one.name, old=one.old, new=one.new) for one in found]


def lock(found: Lock) -> LockShape:
    return LockShape(
        id=found.pk,
        level=LockLevel(found.level),
        reason=found.reason,
        taken_by=found.taken_by,
        taken_at=found.taken_at,
        until=found.expires_at,
    )


def _columns(place: Place) -> dict[str, Any]:
    found = place.environment
    return {
        "name": found.name,
        "project": found.project.name,
        "url": found.url,
        "page": page(reverse("environment", args=[found.project.name, found.name])),
        "is_production": found.is_production,
        "ref_pattern": found.ref_pattern,
        "automatic": found.automatic,
        "release": found.current.number if found.current else None,
        "since": place.since,
        "status": _status(found, place.unfinished),
        "deploys": [deploy.number for deploy in place.unfinished],
        "paused": _pause(found),
        "locks": [lock(one) for one in place.locks],
        "freezes": [_freeze(one, until) for one, until in place.freezes],
        "hosts": [_host(one) for one in place.hosts],
    }


def _status(environment: Environment, unfinished: Sequence[Deploy]) -> str | None:
    if unfinished:
        return unfinished[0].status
    return Status.SUCCEEDED if environment.current else None


def _pause(environment: Environment) -> Pause | None:
    if environment.paused_at is None:
        return None
    return Pause(by=environment.paused_by, because=environment.paused_because, at=environment.paused_at)


def _freeze(freeze: Freeze, until: datetime) -> FreezeShape:
    return FreezeShape(name=freeze.name, until=until)


def _host(host: Host) -> HostShape:
    return HostShape(
        name=host.name,
        group=host.group,
        release=host.release.number if host.release else None,
        healthy=host.healthy,
        health=host.health_detail,
        drift=[f"{one.get('what', '')}: {one.get('detail', '')}" for one in host.drift],
        checked_at=host.checked_at,
    )


def _commits(found: Commits | None) -> list[Commit]:
    return [Commit(sha=one.sha, title=one.title, author=one.author) for one in found.listed] if found else []
