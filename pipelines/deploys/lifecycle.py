"""What a deploy worker writes while it performs a deploy; each verb is one short transaction under the fence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from pipelines.deploys import requests, rollbacks
from pipelines.deploys.models import Deploy, Environment, Host, HostDeploy, Phase
from pipelines.errors import LostRace
from pipelines.logs import store as logs
from pipelines.logs.models import Log
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel
from pipelines.states import leases
from pipelines.states.models import Transition
from pipelines.states.signals import progressed
from pipelines.states.status import BAD, Status
from pipelines.states.transitions import begin
from pipelines.states.transitions import transition as move

LEASE_SECONDS = 6


@dataclass(frozen=True, slots=True)
class Listed:
    """A host as the inventory lists it now."""

    name: str
    address: str
    external_id: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class DeployClaim:
    """The right to perform a deploy. `resumed`: another worker had begun it."""

    deploy: Deploy
    resumed: bool


def claim_deploy(deploy_id: int, owner: str) -> DeployClaim:
    """Begin the deploy at the head of its environment's queue, or take over one whose worker has died.

    Raises LostRace otherwise. The fence is the environment's: it rises with every claim; hosts refuse a lower one.
    """
    try:
        with transaction.atomic():
            return _claim(deploy_id, owner)
    except IntegrityError as error:
        raise LostRace("another deploy of this environment is running") from error


def renew(deploy: Deploy) -> datetime | None:
    """Prolong the lease; returns when the deploy was asked to stop, if it was. Raises LostLease after a takeover."""
    leases.renew(Deploy.objects.filter(pk=deploy.pk), deploy.fence, LEASE_SECONDS)
    return Deploy.objects.values_list("cancel_requested_at", flat=True).get(pk=deploy.pk)


def let_go(deploy: Deploy) -> None:
    """Leave a running deploy to whoever takes it over next."""
    leases.let_go(Deploy.objects.filter(pk=deploy.pk), deploy.fence)


def freeze(deploy: Deploy, waves: Sequence[Sequence[Listed]]) -> list[HostDeploy]:
    """Write the plan: which hosts, in which wave, how carefully. Once per deploy: a resumed one keeps what it has."""
    with transaction.atomic():
        _hold(deploy)
        if not deploy.hosts.exists():
            _freeze_caution(deploy, sum(map(len, waves)))
            _note_listed(deploy.environment, [listed for wave in waves for listed in wave], deploy.undoes_id is None)
            _plan_hosts(deploy, {listed.name: number for number, wave in enumerate(waves) for listed in wave})
    return list(deploy.hosts.select_related("host", "log").order_by("wave", "host__name"))


def start_host(row: HostDeploy) -> None:
    with transaction.atomic():
        _hold(row.deploy)
        move(row, Status.RUNNING)


def note_phase(row: HostDeploy, phase: Phase) -> None:
    """How far a host is. The switch is noted before it is made: what may have been switched counts as switched."""
    with transaction.atomic():
        _hold(row.deploy)
        row.phase = phase
        row.switched = row.switched or phase == Phase.SWITCHING
        HostDeploy.objects.filter(pk=row.pk).update(phase=phase, switched=row.switched)
        transaction.on_commit(partial(progressed.send, HostDeploy, subject=row))


def finish_host(row: HostDeploy, status: Status, reason: str = "", *, unreachable: bool = False) -> None:
    """Write a host's verdict and what the host now runs."""
    with transaction.atomic():
        _hold(row.deploy)
        phase = Phase.DONE if status == Status.SUCCEEDED else row.phase
        move(row, status, reason=reason, unreachable=unreachable, phase=phase)
        if row.switched:
            now: dict[str, Any] = {"healthy": status == Status.SUCCEEDED, "health_detail": reason[:300]}
            Host.objects.filter(pk=row.host_id).update(release=row.deploy.release, checked_at=timezone.now(), **now)
        logs.close(row.log)


def note_migrated(deploy: Deploy) -> None:
    with transaction.atomic():
        _hold(deploy)
        deploy.migrated_at = timezone.now()
        Deploy.objects.filter(pk=deploy.pk).update(migrated_at=deploy.migrated_at)


def append_output(deploy: Deploy, log: Log, data: bytes, raw_until: int) -> None:
    """Store masked output of the deploy or of one of its hosts. Raises LostLease after a takeover."""
    with transaction.atomic():
        _hold(deploy)
        logs.append(log, data, raw_until)


def finish_deploy(deploy: Deploy, status: Status, reason: str = "") -> Deploy | None:
    """Write the verdict; a failure and its automatic rollback come in one transaction. Returns the rollback.

    The environment's row is written first, as claims do: in different orders two could wait for each other for ever.
    """
    live = deploy.release if status == Status.SUCCEEDED else F("current")
    with transaction.atomic():
        Environment.objects.filter(pk=deploy.environment_id).update(current=live)
        _hold(deploy)
        _end_hosts(deploy)
        told = move(deploy, status, reason=reason)
        logs.close(deploy.log)
        rollback = rollbacks.undo(deploy) if status in BAD else None
        _announce(deploy, told)
    return rollback


def _claim(deploy_id: int, owner: str) -> DeployClaim:
    deploy = Deploy.objects.select_related("environment__project", "release", "configuration", "log").get(pk=deploy_id)
    if deploy.status not in (Status.QUEUED, Status.RUNNING):
        raise LostRace(f"{deploy} is {deploy.status}")
    Environment.objects.filter(pk=deploy.environment_id).update(fence=F("fence") + 1)
    deploy.environment.refresh_from_db()
    fence = deploy.environment.fence
    resumed = deploy.status == Status.RUNNING
    if resumed:
        leases.take_over(Deploy.objects.filter(pk=deploy.pk), owner, LEASE_SECONDS, fence=fence)
    else:
        _refuse_unless_first(deploy)
        _begin(deploy, owner, fence)
    deploy.refresh_from_db(fields=["owner", "lease_until", "fence", "deaths"])
    return DeployClaim(deploy, resumed)


def _begin(deploy: Deploy, owner: str, fence: int) -> None:
    """What it replaces is what is live now, which may no longer be what was live when it was asked for."""
    owned: dict[str, Any] = {"owner": owner, "lease_until": leases.until(LEASE_SECONDS), "fence": fence}
    move(deploy, Status.RUNNING, replaces_id=deploy.environment.current_id, **owned)


def _refuse_unless_first(deploy: Deploy) -> None:
    queue = Deploy.objects.filter(environment=deploy.environment, status=Status.QUEUED)
    first = queue.order_by("-priority", "pk").first()
    if first is not None and first.pk != deploy.pk:
        raise LostRace(f"{first} goes first")


def _hold(deploy: Deploy) -> None:
    leases.renew(Deploy.objects.filter(pk=deploy.pk), deploy.fence, LEASE_SECONDS)


def _freeze_caution(deploy: Deploy, hosts: int) -> None:
    fields = {**asdict(requests.caution(deploy, hosts)), "strategy": requests.strategy(deploy).to_json()}
    Deploy.objects.filter(pk=deploy.pk).update(**fields)
    for name, value in fields.items():
        setattr(deploy, name, value)


def _plan_hosts(deploy: Deploy, waves: Mapping[str, int]) -> None:
    hosts = Host.objects.filter(environment=deploy.environment, name__in=waves)
    rows = [
        HostDeploy(deploy=deploy, host=host, wave=waves[host.name], status=Status.PENDING, log=logs.open_log())
        for host in hosts
    ]
    for row in HostDeploy.objects.bulk_create(rows):
        begin(row)


def _end_hosts(deploy: Deploy) -> None:
    """No host is left in between: one that never had its turn is skipped, of one that broke off nothing is known."""
    for row in deploy.hosts.filter(finished_at=None).select_related("log"):
        if row.status == Status.PENDING:
            move(row, Status.SKIPPED, reason="the deploy ended before its turn")
        else:
            move(row, Status.ERRORED, reason="the deploy ended while this host was being changed")
            if row.switched:
                host = Host.objects.filter(pk=row.host_id)
                host.update(release=deploy.release, healthy=None, checked_at=timezone.now())
        logs.close(row.log)


def _note_listed(environment: Environment, listed: Sequence[Listed], is_whole: bool) -> None:
    """Bring the Host rows up to date; only the whole list can say that a host is gone."""
    now = timezone.now()
    Host.objects.bulk_create(
        [
            Host(
                environment=environment,
                name=found.name,
                address=found.address,
                port=found.port,
                external_id=found.external_id,
                listed_at=now,
            )
            for found in listed
        ],
        update_conflicts=True,
        unique_fields=["environment", "name"],
        update_fields=["address", "port", "external_id", "listed_at", "gone_at"],
    )
    if is_whole:
        names = [found.name for found in listed]
        environment.hosts.filter(gone_at=None).exclude(name__in=names).update(gone_at=now)


def _announce(deploy: Deploy, told: Transition) -> None:
    if deploy.environment.project.chat_channel:
        outbox.put(told, Channel.CHAT)
