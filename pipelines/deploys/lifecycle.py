"""What a deploy worker writes while it performs a deploy; each verb is one short transaction under the fence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from pipelines.deploys import endings, flips, plans, rollbacks
from pipelines.deploys.fences import LEASE_SECONDS as LEASE_SECONDS
from pipelines.deploys.fences import hold
from pipelines.deploys.models import Deploy, DeployKind, Environment, Host, HostDeploy, Phase
from pipelines.deploys.plans import Listed as Listed
from pipelines.deploys.protection import gates, outcomes
from pipelines.errors import LostRace
from pipelines.logs import store as logs
from pipelines.logs.models import Log
from pipelines.states import leases
from pipelines.states.signals import progressed
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move


@dataclass(frozen=True, slots=True)
class DeployClaim:
    """The right to perform a deploy. `resumed`: another worker had begun it."""

    deploy: Deploy
    resumed: bool


def claim_deploy(deploy_id: int, owner: str) -> DeployClaim:
    """Begin the deploy at the head of its environment's queue, go on with one that has waited in its middle, or take
    over one whose worker has died.

    Raises LostRace otherwise. The fence is the environment's: it rises with every claim; hosts refuse a lower one.
    """
    try:
        with transaction.atomic():
            return _claim(deploy_id, owner)
    except IntegrityError as error:
        raise LostRace("another deploy of this environment is running") from error


def renew(deploy: Deploy) -> datetime | None:
    """Prolong the lease; returns when the deploy was asked to stop, if it was. Raises LostLease after a takeover."""
    hold(deploy)
    return Deploy.objects.values_list("cancel_requested_at", flat=True).get(pk=deploy.pk)


def let_go(deploy: Deploy) -> None:
    """Leave a running deploy to whoever takes it over next."""
    leases.let_go(Deploy.objects.filter(pk=deploy.pk), deploy.fence)


def freeze(
    deploy: Deploy, waves: Sequence[Sequence[Listed]], listed: Sequence[Listed] | None = None
) -> list[HostDeploy]:
    """Write the plan: which hosts, in which wave, how carefully. Once per deploy: a resumed one keeps what it has.

    `listed` is all that the inventory lists, if the deploy goes to a part of it alone.
    """
    with transaction.atomic():
        hold(deploy)
        if not deploy.hosts.exists():
            _write_plan(deploy, waves, listed)
    return rows_of(deploy)


def rows_of(deploy: Deploy) -> list[HostDeploy]:
    return list(deploy.hosts.select_related("host", "log").order_by("wave", "host__name"))


def start_host(row: HostDeploy) -> None:
    with transaction.atomic():
        hold(row.deploy)
        move(row, Status.RUNNING)


def note_phase(row: HostDeploy, phase: Phase, text: bytes = b"", *, begins: bool = False) -> None:
    """How far a host is, and lines of ours for its log, in one transaction; `begins`: its turn has come.

    The switch is noted before it is made: what may have been switched counts as switched.
    """
    with transaction.atomic():
        hold(row.deploy)
        fields: dict[str, Any] = {"phase": phase, "switched": row.switched or phase == Phase.SWITCHING}
        if begins:
            move(row, Status.RUNNING, **fields)
        else:
            HostDeploy.objects.filter(pk=row.pk).update(**fields)
            row.phase, row.switched = phase, fields["switched"]
            transaction.on_commit(partial(progressed.send, HostDeploy, subject=row))
        if text:
            logs.append(row.log, text, row.log.raw_size)


def note_facts(row: HostDeploy, **facts: Any) -> None:
    """What a takeover and the way back need to know of a host."""
    with transaction.atomic():
        hold(row.deploy)
        row.facts = {**row.facts, **facts}
        HostDeploy.objects.filter(pk=row.pk).update(facts=row.facts)


def note_checking(deploy: Deploy, rows: Sequence[HostDeploy]) -> None:
    """The pre-flight of these hosts begins: one write for all of them."""
    begun = [row for row in rows if row.phase == Phase.WAITING]
    with transaction.atomic():
        hold(deploy)
        HostDeploy.objects.filter(pk__in=[row.pk for row in begun]).update(phase=Phase.CHECKING)
        for row in begun:
            row.phase = Phase.CHECKING
            transaction.on_commit(partial(progressed.send, HostDeploy, subject=row))


def finish_host(
    row: HostDeploy, status: Status, reason: str = "", *, unreachable: bool = False, text: bytes = b""
) -> None:
    """Write a host's verdict, what the host now runs, and last lines of ours for its log."""
    with transaction.atomic():
        hold(row.deploy)
        phase = Phase.DONE if status == Status.SUCCEEDED else row.phase
        move(row, status, reason=reason, unreachable=unreachable, phase=phase)
        if row.switched:
            now: dict[str, Any] = {"healthy": status == Status.SUCCEEDED, "health_detail": reason[:300]}
            if row.facts:
                now["facts"] = {**Host.objects.get(pk=row.host_id).facts, **row.facts}
            Host.objects.filter(pk=row.host_id).update(release=row.deploy.release, checked_at=timezone.now(), **now)
        if text:
            logs.append(row.log, text, row.log.raw_size)
        logs.close(row.log)


def note_migrating(deploy: Deploy) -> None:
    """It begins. A person who let this one begin has answered for those before it whose end nobody knew."""
    if deploy.migration_begun_at is not None:
        return
    with transaction.atomic():
        outcomes.unknown(deploy.environment).exclude(pk=deploy.pk).update(migration_begun_at=None)
        _note(deploy, migration_begun_at=timezone.now())


def note_migrated(deploy: Deploy) -> None:
    _note(deploy, migrated_at=timezone.now())


def note_not_migrated(deploy: Deploy) -> None:
    """It is known to have ended badly, or not to have begun: another may begin."""
    _note(deploy, migration_begun_at=None)


def note_baked(deploy: Deploy, waves: int) -> None:
    """So many waves have come over and stayed healthy for their time: nobody asks them for that again."""
    _note(deploy, baked_waves=waves)


def note_watching(deploy: Deploy, seconds: float) -> datetime:
    """Its hosts are over; from now on it is watched. Returns until when, as first said."""
    if deploy.watched_until is None:
        _note(deploy, watched_until=timezone.now() + timedelta(seconds=seconds))
    assert deploy.watched_until is not None
    return deploy.watched_until


def note_health(row: HostDeploy, detail: str = "") -> None:
    """What a host that has come over says while it bakes or is watched; `detail` is why it is not healthy."""
    host = Host.objects.filter(pk=row.host_id, release=row.deploy.release_id)
    host.update(healthy=not detail, health_detail=detail[:300], checked_at=timezone.now())


def append_output(deploy: Deploy, log: Log, data: bytes, raw_until: int) -> None:
    """Store masked output of the deploy or of one of its hosts. Raises LostLease after a takeover."""
    with transaction.atomic():
        hold(deploy)
        logs.append(log, data, raw_until)


def finish_deploy(deploy: Deploy, status: Status, reason: str = "") -> Deploy | None:
    """Write the verdict; an end and what follows on it by itself come in one transaction. Returns the rollback.

    The release is live once its deploy has succeeded, its watch included: until then the one before it is what a
    failure, a breach and the rollback button go back to. A repair makes nothing live: it brings what is.
    The environment's row is written first, as claims do: in different orders two could wait for each other for ever.
    """
    makes_live = status == Status.SUCCEEDED and deploy.kind != DeployKind.REPAIR
    with transaction.atomic():
        Environment.objects.filter(pk=deploy.environment_id).update(
            current=deploy.release if makes_live else F("current"),
            live_group=flips.live_group(deploy) if makes_live else F("live_group"),
        )
        hold(deploy)
        endings.end(deploy, status, reason)
        deploy.refresh_from_db(fields=["goes_back_for", "goes_back_because"])  # a person may have just asked
        return rollbacks.follow(deploy)


def _claim(deploy_id: int, owner: str) -> DeployClaim:
    deploy = Deploy.objects.select_related("environment__project", "release", "configuration", "log").get(pk=deploy_id)
    if deploy.status not in (Status.QUEUED, Status.RUNNING):
        raise LostRace(f"{deploy} is {deploy.status}")
    Environment.objects.filter(pk=deploy.environment_id).update(fence=F("fence") + 1)
    deploy.environment.refresh_from_db()
    fence = deploy.environment.fence
    resumed = deploy.started_at is not None
    if deploy.status == Status.RUNNING:
        leases.take_over(Deploy.objects.filter(pk=deploy.pk), owner, LEASE_SECONDS, fence=fence)
    else:
        _begin(deploy, owner, fence)
    deploy.refresh_from_db(fields=["owner", "lease_until", "fence", "deaths"])
    return DeployClaim(deploy, resumed)


def _begin(deploy: Deploy, owner: str, fence: int) -> None:
    """What it replaces is what is live now, which may no longer be what was live when it was asked for.

    One that goes on began when it first did."""
    owned: dict[str, Any] = {"owner": owner, "lease_until": leases.until(LEASE_SECONDS), "fence": fence}
    if deploy.started_at is not None:
        move(deploy, Status.RUNNING, started_at=deploy.started_at, **owned)
    else:
        _refuse_unless_first(deploy)
        _refuse_kept_away(deploy)
        move(deploy, Status.RUNNING, replaces_id=deploy.environment.current_id, **owned)


def _refuse_unless_first(deploy: Deploy) -> None:
    """One that has begun goes before all that wait, also while it waits itself."""
    unfinished = Deploy.objects.filter(environment=deploy.environment, finished_at=None)
    begun = unfinished.exclude(started_at=None).first()
    first = begun or unfinished.filter(status=Status.QUEUED).order_by("-priority", "pk").first()
    if first is not None and first.pk != deploy.pk:
        raise LostRace(f"{first} goes first")


def _refuse_kept_away(deploy: Deploy) -> None:
    """Since it was queued somebody may have locked the environment; the next look at the queue blocks it."""
    if refusal := gates.why_not(deploy):
        raise LostRace(f"{deploy} waits: {refusal.reason}")


def _write_plan(deploy: Deploy, waves: Sequence[Sequence[Listed]], listed: Sequence[Listed] | None) -> None:
    planned = [host for wave in waves for host in wave]
    is_whole = listed is not None or (deploy.undoes_id is None and deploy.only is None and not deploy.flips)
    plans.freeze_caution(deploy, len(planned))
    plans.note_listed(deploy.environment, planned if listed is None else listed, is_whole=is_whole)
    plans.plan_hosts(deploy, {host.name: number for number, wave in enumerate(waves) for host in wave})


def _note(deploy: Deploy, **fields: Any) -> None:
    with transaction.atomic():
        hold(deploy)
        Deploy.objects.filter(pk=deploy.pk).update(**fields)
    for name, value in fields.items():
        setattr(deploy, name, value)
