"""Blue/green in the records: which group has the traffic, and whether the other can have it back as it stands."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from pipelines.deploys import requests
from pipelines.deploys.fences import hold
from pipelines.deploys.groups import idle_group
from pipelines.deploys.models import Deploy, DeployKind, Environment, Host, HostDeploy, Release
from pipelines.deploys.plans import Listed
from pipelines.spec.installation import StrategyKind
from pipelines.states.status import Status

_TURNED, _FROM = "turned", "turned_from"


def turns(deploy: Deploy) -> bool:
    """Whether the deploy ends in turning all traffic from one group to the other; a repair never does."""
    if deploy.flips or deploy.kind == DeployKind.REPAIR or deploy.undoes_id is not None:
        return deploy.flips
    return requests.strategy(deploy).kind == StrategyKind.BLUE_GREEN


def group_with(environment: Environment, to: Release) -> str:
    """The group that the traffic can be turned to for `to` as it stands: all of its hosts run it, and none is known to
    be ill or to differ from the record. Empty when there is none, and `to` has to be deployed again.

    That is the group without the traffic, or the one that had it before a deploy that did not end well.
    """
    live = environment.live_group
    if not live:
        return ""
    hosts = list(environment.hosts.filter(gone_at=None).exclude(group="").order_by("name"))
    names = sorted({host.group for host in hosts}, key=lambda name: (name == live, name))
    own = {name: [host for host in hosts if host.group == name] for name in names}
    return next((name for name in names if all(_runs_well(host, to) for host in own[name])), "")


def _runs_well(host: Host, to: Release) -> bool:
    return host.release_id == to.pk and host.healthy is not False and not host.drift


def way_back(environment: Environment, to: Release) -> dict[str, Any]:
    """Columns of a rollback: it only turns the traffic back wherever that is enough."""
    group = group_with(environment, to)
    return {"flips": bool(group), "group": group}


def way_back_of(failed: Deploy) -> dict[str, Any]:
    """Columns of what takes a failed deploy back: one that went to the idle group has left the other as it was."""
    group = _had_traffic(failed) if turns(failed) else ""
    left = failed.environment.hosts.filter(gone_at=None, group=group)
    if not group or left.exclude(release=failed.environment.current_id).exists():
        return {"flips": False, "group": ""}
    return {"flips": True, "group": group}


def _had_traffic(failed: Deploy) -> str:
    """The group that had it as the deploy came to turn it."""
    before = [row.facts[_FROM] for row in failed.hosts.all() if _FROM in row.facts]
    return before[0] if before else failed.environment.live_group


def aim(deploy: Deploy, listed: Sequence[Listed]) -> Sequence[Listed]:
    """Of these hosts those that the deploy goes to: of two groups the idle one, which is written down.

    What finishes another deploy goes where that one went. Raises BadGroups.
    """
    if not turns(deploy):
        return listed
    aimed = deploy.continues.group if deploy.continues else ""
    deploy.group = aimed or idle_group(deploy.environment.live_group, [host.group for host in listed])
    Deploy.objects.filter(pk=deploy.pk).update(group=deploy.group)
    return [host for host in listed if host.group == deploy.group]


def note_turning(deploy: Deploy, how_far: str) -> None:
    """That the traffic is about to be turned (`begun`), or has been (`done`): then its group has it, however the deploy
    ends.

    The environment's row is written first, as claims do: in different orders two could wait for each other for ever.
    """
    place = Environment.objects.filter(pk=deploy.environment_id)
    with transaction.atomic():
        before = place.values_list("live_group", flat=True).get()
        if how_far == "done":
            place.update(live_group=deploy.group)
        hold(deploy)
        for row in deploy.hosts.all():
            HostDeploy.objects.filter(pk=row.pk).update(facts={_FROM: before, **row.facts, _TURNED: how_far})


def has_turned(deploy: Deploy, how_far: str = "") -> bool:
    """Whether the traffic may have been turned by it, or certainly has been (`done`); until then users have seen
    nothing of it."""
    rows = [row.facts.get(_TURNED, "") for row in deploy.hosts.all()]
    return any(found == how_far if how_far else bool(found) for found in rows)


def left_users_alone(failed: Deploy) -> bool:
    """Whether users met nothing of a deploy that failed, so that nothing is to be brought back."""
    if requests.strategy(failed).kind == StrategyKind.REPLACE:
        return True
    return turns(failed) and not has_turned(failed)


def is_idle(environment: Environment, host: Host) -> bool:
    """Whether the host is of the group without the traffic: it keeps what it has."""
    return bool(environment.live_group) and host.group not in ("", environment.live_group)


def facts_of(host: Host) -> dict[str, Any]:
    """What the last deploy that brought the host over noted of it: the container, its port."""
    brought = host.deploys.filter(status=Status.SUCCEEDED, switched=True).order_by("finished_at").last()
    return {name: value for name, value in brought.facts.items() if name not in (_TURNED, _FROM)} if brought else {}


def has_users(environment: Environment, row: HostDeploy) -> bool:
    """Whether users may meet what the deploy of this row brought to its host."""
    if not is_idle(environment, row.host):
        return True
    back = Deploy.objects.filter(undoes=row.deploy_id, flips=True, status=Status.SUCCEEDED)
    return has_turned(row.deploy) and not back.exists()


def live_group(deploy: Deploy) -> str:
    """Which group has the traffic once the deploy has succeeded: none when it brought the release to all hosts."""
    if turns(deploy):
        return deploy.group
    is_whole = deploy.kind != DeployKind.REPAIR and deploy.undoes_id is None and deploy.only is None
    return "" if is_whole else deploy.environment.live_group
