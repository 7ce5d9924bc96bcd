"""A deploy on one host: prepare it, switch it, and say how it went."""

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

from pipelines.deploys import lifecycle
from pipelines.deploys.models import Deploy, HostDeploy, Phase
from pipelines.errors import SystemFault, UserError, told
from pipelines.spec.model import DeploySpec
from pipelines.states.status import Status
from runners.hosts import commands
from runners.hosts.archive import Archive
from runners.hosts.commands import Claim, HostState, Marker
from runners.hosts.connection import (
    CommandCancelled,
    CommandFailed,
    Connection,
    ConnectionLost,
    HostUnreachable,
    capture,
    check,
)
from runners.hosts.fleet import Fleet, Target
from runners.hosts.health import HealthCheck, wait_until_healthy
from runners.hosts.hostlog import HostLog
from runners.hosts.layout import Layout
from runners.hosts.steps import Step, read_base, run_step
from runners.masking import masked

SHORT_SECONDS = 60
UNPACK_SECONDS = 600
UPLOAD_SECONDS = 3600
MIGRATE_SECONDS = 3600
ACTIVATE_SECONDS = 900
# How often a step is taken up again when the connection under it breaks.
RECONNECTIONS = 3
# A packed archive and what is in it lie on the host side by side for a moment.
UNPACKED_RATIO = 4


class DigestDiffers(SystemFault):
    """The host does not run what was sent to it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same on every host of a deploy."""

    deploy: Deploy
    spec: DeploySpec
    layout: Layout
    claim: Claim
    archive: Archive
    environment_file: bytes
    needles: frozenset[bytes]
    fleet: Fleet
    cancelled: Callable[[], bool]
    abandoned: threading.Event

    @property
    def number(self) -> int:
        return self.deploy.release.number


class Lane:
    """One host of a deploy. Each verb may be called again by a worker that takes over, and then does what is left."""

    def __init__(self, plan: Plan, row: HostDeploy, target: Target) -> None:
        self.row = row
        self._plan = plan
        self._target = target
        self._log = HostLog(plan.deploy, row.log, plan.needles)

    @property
    def is_open(self) -> bool:
        return not self.row.is_final

    def prepare(self) -> None:
        """Pre-flight and upload: whatever the host serves goes on undisturbed."""
        self._note(Phase.CHECKING)
        self._do(commands.take_lock(self._plan.layout, self._plan.claim), "taking the host's lock")
        if self.row.status != Status.PENDING:
            return
        state = self._state()
        self._log.say(f"{self._target.address} runs {_described(state)}")
        self._upload()
        self._put_environment(state)
        self._note(Phase.UPLOADED)

    def migrate(self) -> None:
        """Once per deploy, on this one host, in the new release's directory."""
        if self._plan.spec.migrate:
            self._step("migrate", self._plan.spec.migrate, MIGRATE_SECONDS)

    def bring_over(self) -> None:
        """Switch, activate, ask for health; then the host is on the release."""
        if self.row.status == Status.PENDING:
            lifecycle.start_host(self.row)
        self._switch()
        self._activate()
        self._await_health()
        self._mark("healthy")
        self._prune()
        self._log.say(f"release {self._plan.number} is live here")
        lifecycle.finish_host(self.row, Status.SUCCEEDED)

    def fail(self, error: Exception) -> None:
        """Write down how this host ended."""
        reason = masked(told(error), self._plan.needles)
        if self.row.status == Status.PENDING:
            lifecycle.start_host(self.row)
        self._log.say(reason)
        untouched = isinstance(error, HostUnreachable) and not self.row.switched
        lifecycle.finish_host(self.row, status_of(error), reason, unreachable=untouched)

    @property
    def _connection(self) -> Connection:
        return self._plan.fleet.connect(self._target, self._plan.cancelled)

    def _do(self, command: str, what: str, deadline_seconds: float = SHORT_SECONDS) -> str:
        return check(
            self._connection,
            command,
            what,
            deadline_seconds=deadline_seconds,
            cancelled=self._plan.cancelled,
        )

    def _note(self, phase: Phase) -> None:
        """Phases only go forward, also when a worker takes over."""
        order = list(Phase)
        if order.index(phase) > order.index(Phase(self.row.phase)):
            lifecycle.note_phase(self.row, phase)

    def _state(self) -> HostState:
        return commands.parse_state(self._do(commands.read_state(self._plan.layout), "reading the host's state"))

    def _upload(self) -> None:
        plan = self._plan
        has_it = self._has_release()
        needed = 0 if has_it else plan.archive.size * UNPACKED_RATIO
        self._do(commands.prepare(plan.layout, plan.claim, needed), "the pre-flight check")
        self._note(Phase.UPLOADING)
        if has_it:
            self._log.say(f"release {plan.number} is here already, digest {plan.archive.digest[:12]} matches")
        else:
            self._send()
        self._do(commands.link_shared(plan.layout, plan.claim, plan.number), "linking shared paths")

    def _has_release(self) -> bool:
        plan = self._plan
        command = commands.has_release(plan.layout, plan.number, plan.archive.digest)
        return capture(self._connection, command, deadline_seconds=SHORT_SECONDS)[0].succeeded

    def _send(self) -> None:
        plan = self._plan
        with plan.archive.open() as file:
            size = self._connection.put(
                file,
                plan.layout.upload(plan.number),
                mode=0o600,
                deadline_seconds=UPLOAD_SECONDS,
                cancelled=plan.cancelled,
            )
        digest = plan.archive.digest
        unpack = commands.unpack(plan.layout, plan.claim, plan.number, digest, plan.archive.root)
        self._do(unpack, "unpacking the release", UNPACK_SECONDS)
        self._log.say(f"uploaded {size} bytes, digest {digest[:12]} matches")

    def _put_environment(self, state: HostState) -> None:
        """A release that serves at this moment keeps its configuration until the switch."""
        plan = self._plan
        waiting = plan.layout.environment_file(plan.number, plan.claim.deploy)
        self._connection.put(io.BytesIO(plan.environment_file), waiting, mode=0o600, deadline_seconds=SHORT_SECONDS)
        if state.current != plan.number:
            self._place_environment()

    def _place_environment(self) -> None:
        plan = self._plan
        self._do(commands.place_environment(plan.layout, plan.claim, plan.number), "placing the configuration")

    def _switch(self) -> None:
        plan = self._plan
        self._note(Phase.SWITCHING)
        self._place_environment()
        self._do(commands.switch(plan.layout, plan.claim, plan.number), "switching the `current` link")
        self._mark("switched")
        self._log.say(f"current -> releases/{plan.number}")

    def _activate(self) -> None:
        self._note(Phase.ACTIVATING)
        if self._plan.spec.activate:
            self._step("activate", self._plan.spec.activate, ACTIVATE_SECONDS)

    def _await_health(self) -> None:
        self._note(Phase.HEALTH)
        health = self._plan.spec.health
        if health is None:
            return
        question = HealthCheck(
            url=health.url,
            command=self._with_environment(health.command) if health.command else None,
            directory=self._plan.layout.current,
            timeout_seconds=health.timeout_seconds,
        )
        self._log.say(f"is it healthy? {health.url or health.command}")
        wait_until_healthy(self._connection, question, on_output=self._log.hear, cancelled=self._plan.cancelled)

    def _mark(self, step: str) -> None:
        """Tell the host what it has done, and see that it runs what was sent."""
        plan = self._plan
        digest = plan.archive.digest
        marker = Marker(plan.number, digest, plan.claim.deploy, plan.claim.fence, step)
        self._do(commands.write_marker(plan.layout, marker), "writing the host's marker")
        state = self._state()
        if (state.current, state.digest) != (plan.number, digest):
            raise DigestDiffers(
                f"{self._target.address} runs {_described(state)} instead of release {plan.number},"
                f" digest {digest[:12]}; somebody else changes {plan.layout.path} on that host."
            )

    def _prune(self) -> None:
        """What is not removed now is removed by the next deploy: no reason to fail."""
        plan = self._plan
        deploy = plan.deploy
        spared = [release.number for release in (deploy.release, deploy.replaces) if release]
        keep = deploy.environment.keep_releases
        try:
            printed = self._do(commands.prune(plan.layout, plan.claim, keep, spared), "removing old releases")
        except CommandFailed as error:
            printed = told(error)
        if printed:
            self._log.say(printed.rstrip())

    def _step(self, name: str, command: str, deadline_seconds: float) -> None:
        plan = self._plan
        step = Step(
            name,
            self._with_environment(command),
            plan.layout.release(plan.number),
            deadline_seconds,
            base=self._log.raw_size,
        )
        self._log.say(f"$ {command}")
        status = self._perform(step)
        if status != 0:
            raise CommandFailed(f"{self._target.address}: {name} ended with status {status}")

    def _perform(self, step: Step) -> int:
        """Follow the step to its end, whoever began it, across broken connections."""
        base = self._do(read_base(self._plan.layout, self._plan.claim, step), "looking for the step").strip()
        began_at = int(base) if base.isdecimal() else self._log.raw_size
        with self._log.recording() as recorder:

            def cancelled() -> bool:
                recorder.feed(b"")  # several times a second: what waits in the recorder is then shown
                return self._plan.cancelled()

            for attempt in range(RECONNECTIONS + 1):
                try:
                    return run_step(
                        self._connection,
                        self._plan.layout,
                        self._plan.claim,
                        step,
                        offset=recorder.raw_fed - began_at,
                        on_output=recorder.feed,
                        cancelled=cancelled,
                    )
                except ConnectionLost:
                    if attempt == RECONNECTIONS or self._plan.abandoned.is_set():
                        raise
        raise AssertionError("a step is performed at least once")

    def _with_environment(self, command: str) -> str:
        """The command sees the configuration as variables, and which release and deploy it belongs to."""
        plan = self._plan
        waiting = plan.layout.environment_file(plan.number, plan.claim.deploy)
        files = (f"{plan.layout.release(plan.number)}/.env", waiting)
        loads = "".join(f"[ ! -f {quote(file)} ] || . {quote(file)}\n" for file in files)
        facts = f"SLIPWAY_RELEASE={plan.number} SLIPWAY_DEPLOY={plan.deploy.number}\n"
        return f"set -a\n{loads}{facts}set +a\n{command}"


def status_of(error: Exception) -> Status:
    """failed: the person's code or host said no. errored: our machinery broke, or nobody knows."""
    if isinstance(error, CommandCancelled):
        return Status.CANCELLED
    return Status.FAILED if isinstance(error, UserError) else Status.ERRORED


def _described(state: HostState) -> str:
    return f"release {state.current}, digest {state.digest[:12]}" if state.current else "no release yet"
