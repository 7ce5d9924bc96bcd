"""A deploy on one host, whatever kind of release it is: prepare it, switch it, and say how it went.

Every kind has on each host releases/<n>/ with the release's digest and configuration, and `current` that points to the
one that serves. The modules `files`, `images` and `plain` say what else a release is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from shlex import quote

from pipelines.deploys import lifecycle
from pipelines.deploys.models import HostDeploy, Phase
from pipelines.errors import SystemFault, UserError, told
from pipelines.spec.installation import HookSpec
from pipelines.states.status import Status
from runners.hosts.forgotten import answer_refusal
from runners.hosts.health import HealthCheck, Unhealthy, ask, wait_until_healthy
from runners.hosts.hostlog import HostLog
from runners.hosts.performing import OutcomeUnknown, perform, persist
from runners.hosts.plan import Plan, question_of, with_environment
from runners.hosts.reach import Reach
from runners.hosts.scripts import commands, states
from runners.hosts.scripts.hostlock import guarded
from runners.hosts.scripts.leftovers import migration_runs
from runners.hosts.scripts.states import HostState, Marker, Needs, parse_state, preflight
from runners.hosts.ssh.connection import CommandCancelled, CommandFailed, HostUnreachable
from runners.hosts.ssh.fleet import Target
from runners.hosts.steps import Step
from runners.hosts.verdicts import status_of
from runners.masking import masked

SETTLE_SECONDS = 600
UPLOAD_SECONDS = 3600


class DigestDiffers(SystemFault):
    """The host does not run what was sent to it."""


class Lane(Reach, ABC):
    """One host of a deploy. Each verb may be called again by a worker that takes over, and then does what is left.

    A kind of release says what it needs (`_needs`), how it reaches the host (`_upload`), where its commands run
    (`_directory`), and, if that is more than a link, how it is switched to (`_parts_of_switch`).
    """

    def __init__(self, plan: Plan, row: HostDeploy, target: Target) -> None:
        super().__init__(plan, row, target)
        self._log = HostLog(plan.deploy, row.log, plan.needles)
        self._state: HostState | None = None
        self.has_begun = row.status == Status.RUNNING  # a command of the deploy's, by us or by a worker before us
        self._has_turn = False
        self._unsaid = b""

    @property
    def is_open(self) -> bool:
        return not self.row.is_final

    def preflight(self) -> None:
        """Ask for all that the deploy needs of this host, and take its lock. Nothing that serves is changed.

        What there is to say is stored with the next write.
        """
        plan = self.plan
        script = preflight(plan.layout, plan.claim, self._needs(), *self._parts_of_preflight())
        try:
            state = self._state = parse_state(self.do(script, "the pre-flight check"))
        except CommandFailed as error:
            answer_refusal(plan, self.address, error)
            raise
        lines = [f"{self.address} runs {state}"]
        if state.taken_from:
            lines.append(f"taken over from another Slipway server, which has been quiet here: {state.taken_from}")
        lines += [f"{name} of an earlier deploy still ran here: it was ended and is gone" for name in state.ended]
        self._unsaid = b"".join(map(self._log.line, lines))
        if state.migrating:
            raise migration_runs(self.address, state.migrating)
        plan.traffic.confirm(self)

    def upload(self) -> None:
        """The release and its configuration lie ready; nothing serves them yet."""
        if self.row.status == Status.PENDING:
            self._upload(self._known_state())

    def migrate(self) -> None:
        """Once per deploy, on this one host, as the new release."""
        if self.plan.spec.migrate:
            self._step("migrate", self.plan.spec.migrate)

    def bring_over(self) -> None:
        """Out of the traffic, switched, activated, healthy, and in again; then the host is on the release."""
        self._has_turn = True
        self.run_hooks("before")
        self.plan.traffic.drain(self)
        self._switch()
        said = self._settle()
        self._require_ours(said)
        self.plan.traffic.attach(self)
        self.run_hooks("after")
        self._succeed([line for line in said.splitlines() if line.startswith("removed release ")])

    def run_hooks(self, moment: str, *, once: bool = False) -> None:
        """Those of `before`, `after` or `failure` that are for each host, or those that are for one host of all."""
        hooks: tuple[HookSpec, ...] = getattr(self.plan.spec.hooks, moment)
        for position, hook in enumerate(hooks, 1):
            if hook.once == once:
                self.hook(f"{moment}-{position}", hook)

    def hook(self, name: str, hook: HookSpec) -> None:
        """Run it, unless this deploy has ever begun it on this host. Raises CommandFailed."""
        self._step(name, hook.run)

    def check_health(self) -> None:
        """One question to a host that serves the release. Raises Unhealthy."""
        question = self._question()
        if question is not None and not (answer := ask(self._connection, question)).good:
            raise Unhealthy(f"{self.address}: {answer.text}")

    def measure(self, command: str) -> float:
        """The one number that a command prints on this host. Raises CommandFailed."""
        script = f"cd {quote(self._directory)}\n{with_environment(self.plan, self.row, command)}"
        said = self.do(script, "measuring", in_shell=False)
        try:
            return float(said.split()[-1])
        except (IndexError, ValueError):
            raise CommandFailed(f"{self.address}: {command} printed no number but: {said.strip()[:200]}") from None

    def fail(self, error: Exception) -> None:
        """Write down how this host ended, after its hooks for that. One that was lost in the middle is unknown."""
        if isinstance(error, HostUnreachable) and self.has_begun:
            error = OutcomeUnknown(f"{error} The deploy had begun there: look on the host how it stands.")
        reason = "; ".join(filter(None, (masked(told(error), self.plan.needles), self.plan.traffic.left_out(self.row))))
        if self.row.status == Status.PENDING:
            lifecycle.start_host(self.row)
        if self.row.switched and not isinstance(error, CommandCancelled):
            self._run_failure_hooks()
        untouched = isinstance(error, HostUnreachable) and not self.row.switched
        text = self._worded([reason])
        lifecycle.finish_host(self.row, status_of(error), reason, unreachable=untouched, text=text)

    def note(self, phase: Phase, *lines: str) -> None:
        """How far this host is, and what there is to say, in one write. Phases only go forward, also in a takeover."""
        text = self._worded(lines)
        order = list(Phase)
        begins = self._has_turn and self.row.status == Status.PENDING
        if begins or order.index(phase) > order.index(Phase(self.row.phase)):
            lifecycle.note_phase(self.row, phase, text, begins=begins)
        elif text:
            lifecycle.append_output(self.plan.deploy, self.row.log, text, self._log.raw_size)

    # What a kind of release says.

    @property
    @abstractmethod
    def _directory(self) -> str:
        """Where hooks, migrate, activate and the question for health run."""

    @abstractmethod
    def _needs(self) -> Needs:
        """What the pre-flight asks for."""

    def _parts_of_preflight(self) -> Sequence[str]:
        """Further questions; they change nothing that serves, and end the script with a sentence and a status."""
        return ()

    @abstractmethod
    def _upload(self, state: HostState) -> None:
        """By `_send`; notes Phase.UPLOADED at its end."""

    def _parts_of_switch(self) -> Sequence[str]:
        plan = self.plan
        return (
            commands.place_environment(plan.layout, plan.claim, plan.number),
            commands.switch(plan.layout, plan.claim, plan.number),
        )

    def _parts_of_end(self) -> Sequence[str]:
        """Once it is healthy: the marker, and away with what is not needed any more. They end by telling the state."""
        plan = self.plan
        prune = commands.prune(plan.layout, plan.claim, plan.deploy.environment.keep_releases, plan.spared)
        # What is not removed now is removed by the next deploy: no reason to fail.
        return (self._marked("healthy"), f"(\n{prune}\n) || true", states.read_state(plan.layout))

    # What every kind does.

    def _known_state(self) -> HostState:
        if self._state is None:
            self.preflight()
        assert self._state is not None
        return self._state

    def _send(self, state: HostState, *parts: str, files: Callable[[], Iterable[bytes]] = tuple) -> str:
        """One script that takes the configuration, and then `files`, over its input.

        A release that serves at this moment keeps its configuration until the switch.
        """
        plan = self.plan
        lines = plan.environment_file.count(b"\n")
        receive = commands.receive_environment(plan.layout, plan.claim, plan.number, lines)
        place = commands.place_environment(plan.layout, plan.claim, plan.number)
        script = guarded(plan.layout, plan.claim, receive, *parts, *([] if state.current == plan.number else [place]))
        return self.do(script, "the upload", UPLOAD_SECONDS, lambda: chain([plan.environment_file], files()))

    def _worded(self, lines: Sequence[str]) -> bytes:
        """What has not been stored yet, and these lines."""
        text, self._unsaid = self._unsaid + b"".join(map(self._log.line, lines)), b""
        return text

    def _marked(self, step: str) -> str:
        plan = self.plan
        marker = Marker(plan.number, plan.digest, plan.claim.deploy, plan.claim.fence, step)
        return states.write_marker(plan.layout, marker)

    def _switch(self) -> None:
        """The switch and the activation are one script; without an activation, the switch and what ends it are one."""
        self.note(Phase.SWITCHING)
        if self.plan.spec.activate:
            parts = (*self._parts_of_switch(), self._marked("switched"))
            self._step("activate", self.plan.spec.activate, parts, Phase.ACTIVATING, _link(self.plan))

    def _settle(self) -> str:
        """Healthy, marked and cleared; gives the state that the host then tells of itself."""
        plan, question = self.plan, self._question()
        parts = () if plan.spec.activate else self._parts_of_switch()
        end = guarded(plan.layout, plan.claim, *self._parts_of_end())
        if question is None:
            return self.do("\n".join((guarded(plan.layout, plan.claim, *parts), end)), "the switch", SETTLE_SECONDS)
        if parts:
            self.do(guarded(plan.layout, plan.claim, *parts), "the switch")
        words = [_link(self.plan)] if parts else []
        self.note(Phase.HEALTH, *words, f"is it healthy? {question.called}")
        return self._wait_until_healthy(question, end)

    def _wait_until_healthy(self, question: HealthCheck, then: str = "") -> str:
        """What `then` printed."""
        hear, cancelled = self._log.hear, self.plan.cancelled
        return persist(
            self.plan,
            lambda: wait_until_healthy(self._connection, question, then=then, on_output=hear, cancelled=cancelled),
        ).then

    def _question(self) -> HealthCheck | None:
        return question_of(self.plan, self.row, self._directory)

    def _require_ours(self, said: str) -> None:
        """The host says itself that it runs what was sent to it."""
        plan, state = self.plan, parse_state(said)
        if (state.current, state.digest) != (plan.number, plan.digest):
            raise DigestDiffers(
                f"{self.address} runs {state} instead of release {plan.number},"
                f" digest {plan.digest[:12]}; somebody else changes {plan.layout.path} on that host."
            )

    def _succeed(self, last_words: Sequence[str]) -> None:
        lines = (*last_words, f"release {self.plan.number} is live here")
        lifecycle.finish_host(self.row, Status.SUCCEEDED, text=self._worded(lines))

    def _step(
        self, name: str, command: str, parts: Sequence[str] = (), phase: Phase | None = None, *words: str
    ) -> None:
        """`parts` are done before it, by the same script; then the host is in `phase`, and there are `words` to say."""
        spec = self.plan.spec
        step = Step(
            name,
            with_environment(self.plan, self.row, command),
            self._directory,
            spec.timeout_seconds,
            spec.silence_seconds,
            base=self._log.raw_size,
            before=tuple(parts),
        )
        status = perform(
            self.plan,
            lambda: self._connection,
            self._log,
            step,
            on_begun=lambda said: self._begin(phase or self._phase, *words, f"$ {command}"),
        )
        if status != 0:
            raise CommandFailed(f"{self.address}: {name} ended with status {status}")

    def _begin(self, phase: Phase, *lines: str) -> None:
        self.has_begun = True
        self.note(phase, *lines)

    def _run_failure_hooks(self) -> None:
        """The reason why the host failed stays the one that counts."""
        try:
            self.run_hooks("failure")
        except (UserError, SystemFault, CommandCancelled) as error:
            self.note(self._phase, told(error))

    @property
    def _phase(self) -> Phase:
        return Phase(self.row.phase)


def _link(plan: Plan) -> str:
    return f"current -> releases/{plan.number}"
