"""The lane of releases that are commands: nothing is shipped, the host fetches for itself."""

from shlex import quote

from pipelines.deploys.models import Phase
from runners.hosts.lane import Lane
from runners.hosts.scripts import commands
from runners.hosts.scripts.states import HostState, Needs


class CommandsLane(Lane):
    """One host where the release's commands run. What Slipway keeps lies in `.slipway`, which git passes over."""

    @property
    def _directory(self) -> str:
        return self.plan.spec.path

    def _needs(self) -> Needs:
        requires = self.plan.spec.requires
        return Needs(self.plan.number, self.plan.digest, requires.tools, requires.sudo, requires.disk_mb)

    def _upload(self, state: HostState) -> None:
        plan = self.plan
        ignored = f"[ -f {quote(plan.layout.path)}/.gitignore ] || echo '*' > {quote(plan.layout.path)}/.gitignore"
        self._send(state, commands.make_release(plan.layout, plan.number, plan.digest), ignored)
        self.note(Phase.UPLOADED, f"commit {plan.digest[:12]}: its commands are run here, nothing is sent")

    def _switch(self) -> None:
        """The host is on its way from the first command on, and there after the last."""
        self.note(Phase.SWITCHING)
        spec, parts = self.plan.spec, self._parts_of_switch()
        for position, command in enumerate(spec.commands, 1):
            self._step(f"command-{position}", command, parts if position == 1 else (), Phase.ACTIVATING)
        if spec.activate:
            self._step("activate", spec.activate)
