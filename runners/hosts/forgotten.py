"""A host remembers what this server's database has forgotten, as it was restored."""

from pipelines.deploys import fences
from pipelines.errors import LostRace
from runners.hosts.plan import Plan
from runners.hosts.scripts.hostlock import read_refusal
from runners.hosts.ssh.connection import Address, CommandFailed


class FenceForgotten(LostRace):
    """A host has seen a higher fence than the deploy's, of nobody that is known. Who claims the deploy again has a
    higher one."""


def answer_refusal(plan: Plan, address: Address, error: CommandFailed) -> None:
    """Raises FenceForgotten if a fence has refused us that this server gave out before its database was restored."""
    refusal = read_refusal(str(error))
    if refusal is not None and fences.catch_up(plan.deploy, *refusal):
        seen, taker = refusal
        raise FenceForgotten(
            f"{address} has seen fence {seen}, of deploy {taker}, which this server does not know: its database was"
            f" restored since. Its fences rise above that from now on, and {plan.deploy} goes on."
        ) from error
