"""Which hosts a deploy goes to, and in which portions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.deploys import admission, flips, requests, rollbacks
from pipelines.deploys.models import Deploy, Environment, Host
from pipelines.deploys.plans import Listed
from pipelines.deploys.strategies import waves
from pipelines.errors import PipelineError
from runners.clouds.inventory import NoHosts
from runners.clouds.sources import open_inventory


@dataclass(frozen=True, slots=True)
class HostList:
    """The waves; `listed` is all that the inventory lists, None when it was not asked."""

    waves: Sequence[Sequence[Listed]]
    listed: Sequence[Listed] | None = None


def choose(deploy: Deploy, ordered: Callable[[Sequence[Listed]], Sequence[Listed]] = list) -> HostList:
    """The hosts of a deploy that has not touched any: those that it is for, or all that are listed now; `ordered` says
    who goes first.

    The way back goes to the hosts that were switched, the last of them first, all in one wave. Raises NoHosts rather
    than go to nobody, SetAside when a person is to be asked before, and what the inventory raises.
    """
    if deploy.flips:
        hosts = deploy.environment.hosts.filter(gone_at=None, group=deploy.group).order_by("name")
        return HostList([[_known(host) for host in hosts]])
    if deploy.undoes is not None:
        return HostList([_still_there(deploy.undoes)])
    listed = list_hosts(deploy.environment)
    if deploy.only is None:
        admission.admit(deploy, listed)
        return HostList(waves(requests.strategy(deploy), ordered(flips.aim(deploy, listed))), listed)
    chosen = [host for host in listed if host.name in deploy.only]
    if not chosen:
        raise NoHosts(f"none of the hosts that {deploy} is for is listed any more: {', '.join(deploy.only)}.")
    return HostList(waves(requests.strategy(deploy), ordered(flips.aim(deploy, chosen))), listed)


def list_hosts(environment: Environment) -> list[Listed]:
    source = open_inventory(environment.inventory_kind, environment.inventory, environment.inventory_secret)
    return [Listed(found.name, found.address, found.external_id, found.port, found.group) for found in source.hosts()]


def gone(environment: Environment, names: Sequence[str]) -> list[str]:
    """Of these hosts, which could not be reached, those that the inventory does not list any more; none when it cannot
    be asked."""
    try:
        listed = {host.name for host in list_hosts(environment)}
    except PipelineError:
        return []
    return [name for name in names if name not in listed]


def _still_there(undone: Deploy) -> list[Listed]:
    there = [_known(row.host) for row in rollbacks.switched_by(undone) if row.host.gone_at is None]
    if not there:
        raise NoHosts(
            f"none of the hosts that {undone} has switched is listed any more: nothing is to be brought back."
        )
    return there


def _known(host: Host) -> Listed:
    return Listed(host.name, host.address, host.external_id, host.port, host.group)
