"""Releases and deploys."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from ninja import Field, Schema

from pipelines.deploys import approvals, waits
from pipelines.deploys.models import Deploy, DeployKind, HostDeploy, Phase, Release, Waits
from pipelines.states.status import Status
from server.api.shapes.words import page


class ReleaseShape(Schema):
    number: int
    project: str
    ref: str
    sha: str
    title: str
    author: str
    run: int
    digest: str = Field(description="Of the archive or image, in hex; empty for one that is commands alone")
    image: str
    created_at: datetime
    quarantined_because: str | None = Field(description="Null for one that may be deployed")
    live_in: list[str] = Field(description="Names of the environments that run it")


class HostDeployShape(Schema):
    name: str
    wave: int
    status: Status
    phase: Phase
    reason: str
    switched: bool = Field(description="Whether the host runs the release now, however it ended")
    unreachable: bool
    log: int
    started_at: datetime | None
    finished_at: datetime | None


class Word(Schema):
    """What somebody has said on a deploy that asks for approval."""

    actor: str
    refused: bool


class DeployShape(Schema):
    number: int
    project: str
    environment: str
    kind: DeployKind
    status: Status
    reason: str
    waits_for: Waits | None
    release: int
    replaces: int | None
    asked_by: str = Field(description="Empty: Slipway itself")
    why: str
    override: str
    automatic: bool
    log: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    url: str


class WholeDeploy(DeployShape):
    """`plan` is what an approval is of, and `seen` what going on is said to: both change with the deploy."""

    plan: str
    seen: str
    configuration: int
    undoes: int | None
    undone_by: int | None
    continues: int | None
    continued_by: int | None
    words: list[Word]
    hosts: list[HostDeployShape]


def release(found: Release) -> ReleaseShape:
    """Its run, artifact, project and `live_in` are at hand."""
    return ReleaseShape(
        number=found.number,
        project=found.project.name,
        ref=found.ref,
        sha=found.sha,
        title=found.title,
        author=found.author,
        run=found.run.number,
        digest=found.digest,
        image=found.image,
        created_at=found.created_at,
        quarantined_because=found.quarantined_because if found.quarantined_at else None,
        live_in=sorted(place.name for place in found.live_in.all()),
    )


def deploy(found: Deploy) -> DeployShape:
    """Its environment with the project, its release and what it replaces are at hand."""
    return DeployShape(**_columns(found))


def whole_deploy(found: Deploy) -> WholeDeploy:
    """As `queries.whole` gives it."""
    return WholeDeploy(
        **_columns(found),
        plan=approvals.plan_of(found) if found.waits_for == Waits.APPROVAL else found.plan,
        seen=waits.stretch_of(found),
        configuration=found.configuration.version,
        undoes=_number(found.undoes),
        undone_by=_number(getattr(found, "undone_by", None)),
        continues=_number(found.continues),
        continued_by=_number(getattr(found, "continued_by", None)),
        words=[Word(actor=one.actor, refused=one.refused) for one in approvals.words(found)],
        hosts=[_host(row) for row in found.hosts.all()],
    )


def _columns(found: Deploy) -> dict[str, Any]:
    project = found.environment.project.name
    return {
        "number": found.number,
        "project": project,
        "environment": found.environment.name,
        "kind": found.kind,
        "status": found.status,
        "reason": found.reason,
        "waits_for": found.waits_for or None,
        "release": found.release.number,
        "replaces": found.replaces.number if found.replaces else None,
        "asked_by": found.asked_by,
        "why": found.why,
        "override": found.override,
        "automatic": found.automatic,
        "log": found.log_id,
        "created_at": found.created_at,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
        "url": page(reverse("deploy", args=[project, found.number])),
    }


def _host(row: HostDeploy) -> HostDeployShape:
    return HostDeployShape(
        name=row.host.name,
        wave=row.wave,
        status=Status(row.status),
        phase=Phase(row.phase),
        reason=row.reason,
        switched=row.switched,
        unreachable=row.unreachable,
        log=row.log_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _number(other: Deploy | None) -> int | None:
    return other.number if other else None
