"""How a deploy ended, in a word and a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.deploys.endings import standing
from pipelines.deploys.models import HostDeploy
from pipelines.errors import UserError
from pipelines.states.status import BAD, Status, worst
from runners.hosts.ssh.connection import CommandCancelled

HOSTS_EXPLAINED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a deploy ended. `reason` is empty when there is nothing to explain."""

    status: Status
    reason: str = ""

    @property
    def is_bad(self) -> bool:
        return self.status in BAD


def judge(rows: Sequence[HostDeploy], *, cancelled: bool, too_many: bool, complaint: str, undone: str = "") -> Verdict:
    """The verdict over all hosts. `too_many`: more are lost than may be; `complaint`: those that came over went bad;
    `undone`: what comes after the last host and was not done.

    A cancel that found nothing left to stop changes nothing.
    """
    bad = [row for row in rows if row.is_final and row.status != Status.SUCCEEDED]
    reason = explained(rows, bad)
    stopped = any(row.status not in (Status.SUCCEEDED, Status.FAILED) for row in rows)
    if cancelled and (complaint or undone or stopped):
        return Verdict(Status.CANCELLED, "; ".join(filter(None, ("cancelled", standing(rows), undone, reason))))
    if complaint:
        return Verdict(Status.FAILED, complaint)
    if bad and (too_many or len(bad) == len(rows)):
        return Verdict(worst(Status(row.status) for row in bad), reason)
    return Verdict(Status.SUCCEEDED, reason if bad else "")


def explained(rows: Sequence[HostDeploy], bad: Sequence[HostDeploy]) -> str:
    """How many hosts ended how, and why the first few of them."""
    switched = sum(row.switched for row in rows)
    lines = [f"{len(bad)} of {len(rows)} hosts did not come over, {switched} had been switched"]
    lines += [f"{row.host.name} {row.status}: {row.reason}" for row in bad[:HOSTS_EXPLAINED]]
    if len(bad) > HOSTS_EXPLAINED:
        lines.append(f"and {len(bad) - HOSTS_EXPLAINED} more")
    return "; ".join(lines)


def status_of(error: Exception) -> Status:
    """How a host ended. failed: the person's code or host said no. errored: our machinery broke, or nobody knows."""
    if isinstance(error, CommandCancelled):
        return Status.CANCELLED
    return Status.FAILED if isinstance(error, UserError) else Status.ERRORED
