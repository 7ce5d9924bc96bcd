"""One host of a deploy, as far as it is reached: scripts of ours run there, and other servers are kept from it."""

from collections.abc import Callable, Iterable

from pipelines.deploys.models import HostDeploy
from runners.hosts.performing import persist
from runners.hosts.plan import Plan
from runners.hosts.scripts.hostlock import guarded, hold
from runners.hosts.ssh.connection import Address, Connection, check
from runners.hosts.ssh.fleet import Target

SHORT_SECONDS = 60


class Reach:
    """The way to one host, opened when it is first needed and again when it is broken."""

    def __init__(self, plan: Plan, row: HostDeploy, target: Target) -> None:
        self.row = row
        self.plan = plan
        self._target = target

    @property
    def address(self) -> Address:
        return self._target.address

    @property
    def is_connected(self) -> bool:
        return self.plan.fleet.has(self._target)

    def hold(self, seconds: int = 0) -> None:
        """Show other servers that ours is at work here, and for so long from now. Raises CommandFailed if one is."""
        parts = [hold(self.plan.layout, seconds)] if seconds else []
        self.do(guarded(self.plan.layout, self.plan.claim, *parts), "holding the host")

    def do(
        self,
        script: str,
        what: str,
        deadline_seconds: float = SHORT_SECONDS,
        stdin: Callable[[], Iterable[bytes]] = tuple,
        *,
        in_shell: bool = True,
    ) -> str:
        """Run a script that has to succeed and return its output; `what` names it in the error. It may be repeated, and
        is when the connection breaks. Only one of our own, which leaves nothing running and reads exactly what is in
        `stdin`, runs in the shell."""

        def act() -> str:
            return check(
                self._connection,
                script,
                what,
                deadline_seconds=deadline_seconds,
                stdin=stdin(),
                cancelled=self.plan.cancelled,
                in_shell=in_shell,
            )

        return persist(self.plan, act)

    @property
    def _connection(self) -> Connection:
        return self.plan.fleet.connect(self._target, self.plan.cancelled)
