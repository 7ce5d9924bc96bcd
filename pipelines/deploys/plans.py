"""The hosts that a deploy goes to, as its environment's inventory lists them, written down."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from pipelines.deploys import requests
from pipelines.deploys.fences import hold
from pipelines.deploys.models import Deploy, DeployKind, Environment, Host, HostDeploy, OnBreach
from pipelines.deploys.protection.agreements import fingerprint as fingerprint
from pipelines.logs import store as logs
from pipelines.states.status import Status
from pipelines.states.transitions import begin_all


@dataclass(frozen=True, slots=True)
class Listed:
    """A host as the inventory lists it now; `group` is one of two, for blue/green."""

    name: str
    address: str
    external_id: str = ""
    port: int | None = None
    group: str = ""


def missing(environment: Environment, listed: Collection[Listed]) -> tuple[int, int]:
    """How many of the hosts that the last whole deploy knew are not listed now, and how many those were.

    By their names: as many others in their place are not the same. Hosts that have come since count as known; those
    that were seen to go since still do: whoever notices first that some are gone must not make the guard blind.
    """
    return len(absent(environment, listed)), environment.hosts.filter(_known(environment)).count()


def absent(environment: Environment, listed: Collection[Listed]) -> list[str]:
    """The names of the hosts that are known and not listed."""
    hosts = environment.hosts.filter(_known(environment)).exclude(name__in=[host.name for host in listed])
    return list(hosts.order_by("name").values_list("name", flat=True))


def is_big_drop(environment: Environment, gone: int, before: int) -> bool:
    return gone * 100 > environment.max_drop * before


def note_plan(deploy: Deploy, plan: str, listed: Sequence[Listed]) -> None:
    """The hosts as they are now: what people agree to from here on is this plan."""
    with transaction.atomic():
        hold(deploy)
        note_listed(deploy.environment, listed, is_whole=True)
        Deploy.objects.filter(pk=deploy.pk).update(plan=plan)
    deploy.plan = plan


def freeze_caution(deploy: Deploy, hosts: int) -> None:
    """How carefully it goes, from now on whatever its environment says later."""
    caution = requests.caution(deploy, hosts)
    if deploy.kind == DeployKind.REPAIR:  # it brings what is live: there is nothing to go back to
        caution = replace(caution, on_breach=OnBreach.STOP)
    fields = {**asdict(caution), "strategy": requests.strategy(deploy).to_json()}
    Deploy.objects.filter(pk=deploy.pk).update(**fields)
    for name, value in fields.items():
        setattr(deploy, name, value)


def plan_hosts(deploy: Deploy, waves: Mapping[str, int]) -> None:
    """A row for each host, by its name, in its wave."""
    hosts = list(Host.objects.filter(environment=deploy.environment, name__in=waves))
    rows = [
        HostDeploy(deploy=deploy, host=host, wave=waves[host.name], status=Status.PENDING, log=log)
        for host, log in zip(hosts, logs.open_logs(len(hosts)), strict=True)
    ]
    begin_all(HostDeploy.objects.bulk_create(rows))


def note_listed(environment: Environment, listed: Sequence[Listed], *, is_whole: bool) -> None:
    """Bring the Host rows up to date; only the whole list can say that a host is gone."""
    now = timezone.now()
    Host.objects.bulk_create(
        [Host(environment=environment, listed_at=now, **asdict(found)) for found in listed],
        update_conflicts=True,
        unique_fields=["environment", "name"],
        update_fields=["address", "port", "external_id", "group", "listed_at", "gone_at"],
    )
    if is_whole:
        names = [found.name for found in listed]
        environment.hosts.filter(gone_at=None).exclude(name__in=names).update(gone_at=now)


def _known(environment: Environment) -> Q:
    """What a deploy itself has found gone, or has ended, is what its people wanted."""
    known = Q(gone_at=None)
    last = _last_whole(environment)
    if last is not None and last.finished_at is not None:
        known |= Q(gone_at__gt=last.finished_at)
    return known


def _last_whole(environment: Environment) -> Deploy | None:
    """The newest deploy that was made for every host."""
    whole = environment.deploys.filter(undoes=None, only__isnull=True, flips=False).exclude(kind=DeployKind.REPAIR)
    return whole.exclude(at_once=None).order_by("fence").last()
