"""What a deploy does once, on one of its hosts, before the first of all is switched: migrate, and hooks of `before`."""

from dataclasses import dataclass
from functools import partial

from pipelines.deploys import lifecycle
from pipelines.deploys.models import Deploy, DeployKind, Phase
from pipelines.errors import SystemFault
from pipelines.states.status import Status
from runners.hosts.convoy import Convoy
from runners.hosts.deploylog import DeployLog
from runners.hosts.lane import Lane
from runners.hosts.plan import Plan, has_once


class MigrationUnknown(SystemFault):
    """The host that may have begun the migration cannot be asked, so nobody may begin it elsewhere."""


@dataclass(frozen=True, slots=True)
class Prelude:
    """That of one deploy, in the hands of one worker. `resumed`: another one may have begun it."""

    deploy: Deploy
    plan: Plan
    convoy: Convoy
    log: DeployLog
    resumed: bool

    def remember(self) -> None:
        """Before the pre-flight: the host on which an earlier worker began to migrate is not untouched."""
        if self.convoy.first_open and self._is_migrating:
            self.convoy.first_open.has_begun = True

    def migrate(self) -> None:
        """Once per deploy, and only of what is new: never on the way back, never for a repair."""
        if self.deploy.migrated_at or self.deploy.kind != DeployKind.DEPLOY or not self.plan.spec.migrate:
            return
        if (lane := self._elect("the migration", begun=self._is_migrating)) is None:
            return
        self.log.say(f"migrating, once, on {lane.row.host.name}")
        lifecycle.note_migrating(self.deploy)
        self.convoy.attempt(lambda lane: lane.migrate(), lane)
        if lane.is_open:
            lifecycle.note_migrated(self.deploy)
            return
        self.convoy.gives_up = True
        if lane.row.status != Status.ERRORED:
            lifecycle.note_not_migrated(self.deploy)

    def run_hooks(self) -> None:
        """Those of `before` that are for one host."""
        if not has_once(self.plan.spec.hooks.before) or self.convoy.touched:
            return
        if (lane := self._elect("a hook", begun=self.resumed)) is None:
            return
        self.convoy.attempt(partial(Lane.run_hooks, moment="before", once=True), lane)
        self.convoy.gives_up = not lane.is_open

    @property
    def _is_migrating(self) -> bool:
        """It has been begun, and nobody knows yet how it ended."""
        return self.deploy.migration_begun_at is not None and self.deploy.migrated_at is None

    def _elect(self, what: str, *, begun: bool) -> Lane | None:
        """The host for it: never a second one while the first may have begun."""
        lost = [lane.row for lane in self.convoy.lanes if not lane.is_open and lane.row.phase == Phase.UPLOADED]
        if begun and lost:
            raise MigrationUnknown(
                f"{lost[0].host.name} may have begun {what}, and cannot be asked how it ended: {lost[0].reason}"
            )
        return self.convoy.first_open
