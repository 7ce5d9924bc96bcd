"""How a deploy that has begun ends: its hosts with it, and nothing left open."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from pipelines.deploys.models import Deploy, Host, HostDeploy
from pipelines.logs import store as logs
from pipelines.states.models import Transition
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move


def end(deploy: Deploy, status: Status, reason: str, *, actor: str = "", **fields: Any) -> Transition:
    """Write the verdict of a deploy that has begun, in the caller's transaction. Raises LostRace if it has moved on."""
    end_hosts(deploy)
    told = move(deploy, status, actor=actor, reason=reason, waits_for="", waits_until=None, **fields)
    logs.close(deploy.log)
    return told


def end_hosts(deploy: Deploy) -> None:
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


def standing(rows: Iterable[HostDeploy]) -> str:
    """In words, how many hosts stand where; of those that broke off nobody knows, and they are named."""
    found = list(rows)
    over = sum(row.status == Status.SUCCEEDED for row in found)
    unknown = sorted(row.host.name for row in found if row.status in (Status.ERRORED, Status.RUNNING) and row.switched)
    halfway = sum(row.switched for row in found) - over - len(unknown)
    parts = [f"{over} of {len(found)} hosts are on the new release"]
    parts += [f"{halfway} were switched to it and are not well"] if halfway > 0 else []
    parts += [f"the state of {', '.join(unknown)} is unknown"] if unknown else ["the state of every host is known"]
    return ", ".join(parts)
