"""The lane of releases that are container images.

The new container runs beside the old one until it is healthy and has the traffic; then the old one ends, and is kept
for the way back.
"""

from collections.abc import Sequence

from pipelines.deploys import lifecycle
from pipelines.deploys.models import HostDeploy, Phase
from pipelines.errors import PipelineError, SystemFault, told
from pipelines.registries.queries import standing
from pipelines.spec.installation import ContainerSpec
from runners.hosts.health import Unhealthy
from runners.hosts.lane import SETTLE_SECONDS, Lane
from runners.hosts.performing import perform
from runners.hosts.plan import Plan, facts
from runners.hosts.reach import SHORT_SECONDS
from runners.hosts.scripts import berths, commands, engines
from runners.hosts.scripts.berths import Berth
from runners.hosts.scripts.engines import Login, Running
from runners.hosts.scripts.hostlock import guarded
from runners.hosts.scripts.layout import render_environment
from runners.hosts.scripts.states import HostState, Needs
from runners.hosts.ssh.connection import CommandCancelled, CommandFailed, CommandTimedOut, check
from runners.hosts.ssh.fleet import Target
from runners.hosts.steps import Step

HUB = "docker.io"
# What a container is told beside its settings: facts that are the same whichever deploy brings the release.
TOLD = ("SLIPWAY_RELEASE", "SLIPWAY_SHA", "SLIPWAY_REF", "SLIPWAY_ENVIRONMENT", "SLIPWAY_HOST")


class NoContainer(SystemFault):
    """The host's engine named no container after it had started one."""


class ImageLane(Lane):
    """One host whose engine runs the release."""

    def __init__(self, plan: Plan, row: HostDeploy, target: Target) -> None:
        super().__init__(plan, row, target)
        known = facts(plan, row)
        self._settings = {**plan.values, **{name: known[name] for name in TOLD}}
        self._raw, lines = engines.render_settings(self._settings)
        deploy = plan.deploy
        self._berth = Berth(
            layout=plan.layout,
            spec=plan.spec.container or ContainerSpec(deploy.environment.project.name),
            image=deploy.release.image,
            release=plan.number,
            deploy=deploy.number,
            fence=plan.claim.fence,
            token=plan.claim.token,
            lines=lines,
        )

    @property
    def _directory(self) -> str:
        return self.plan.layout.release(self.plan.number)

    def _needs(self) -> Needs:
        requires = self.plan.spec.requires
        return Needs(self.plan.number, self.plan.digest, requires.tools, requires.sudo, requires.disk_mb)

    def _parts_of_preflight(self) -> Sequence[str]:
        artifact = self.plan.deploy.release.artifact
        return (engines.check(self._berth.image, artifact.size if artifact else 0),)

    def _upload(self, state: HostState) -> None:
        """The image by its digest, and the settings, for the container alone and for the commands of the deploy."""
        plan, berth = self.plan, self._berth
        self.note(Phase.UPLOADING)
        several = render_environment({name: self._settings[name] for name in berth.lines})
        login, password = self._login()
        said = self._send(
            state,
            commands.make_release(plan.layout, plan.number, plan.digest),
            berths.note_image(berth),
            berths.receive_settings(berth, self._raw.count(b"\n"), several.count(b"\n")),
            engines.FIND,
            engines.pull(plan.layout, berth.image, login),
            files=lambda: (self._raw, several, password),
        )
        how = "is here already" if "image=present" in said.splitlines() else "was pulled"
        self.note(Phase.UPLOADED, f"{berth.image} {how}")

    def migrate(self) -> None:
        """Once per deploy, on this one host, in a container of the new image that is gone afterwards."""
        spec, name = self.plan.spec, "migrate"
        if not spec.migrate:
            return
        script = f"set -eu\n{engines.FIND}\n{berths.one_off(self._berth, name, spec.migrate)}"
        limits = (spec.timeout_seconds, spec.silence_seconds)
        step = Step(name, script, self._directory, *limits, base=self._log.raw_size)
        try:
            status = perform(self.plan, lambda: self._connection, self._log, step, self._say_migrating)
        except (CommandCancelled, CommandTimedOut):  # the engine's client is gone, not what it had begun
            self._do_even_if_cancelled(
                f"{engines.FIND}\n{berths.end_one_off(self._berth, name)}", "ending the migration"
            )
            raise
        if status != 0:
            raise CommandFailed(f"{self.address}: {name} ended with status {status}")

    def _say_migrating(self, _: str) -> None:
        self.note(self._phase, f"in a container of {self._berth.image}: $ {self.plan.spec.migrate}")

    def bring_over(self) -> None:
        """Started beside the old one and healthy; then the switch and the traffic; then the old one may end."""
        self._has_turn = True
        self.run_hooks("before")
        running = self._start()
        self._await_health(running)
        self._switch_to(running)
        self.plan.traffic.attach(self, running.port)
        said = self._settle_with(running)
        self._require_ours(said)
        self.run_hooks("after")
        self._succeed([line for line in said.splitlines() if line.startswith(("removed ", "stopped "))])

    def _parts_of_switch(self) -> Sequence[str]:
        return (*super()._parts_of_switch(), berths.name_serving(self._berth, str(self.row.facts.get("container", ""))))

    def _start(self) -> Running:
        """What this deploy has started once it takes up again."""
        plan = self.plan
        chosen = str(self.row.facts.get("container", ""))
        script = guarded(plan.layout, plan.claim, engines.FIND, berths.start(self._berth, chosen))
        running = engines.parse(self.do(script, "starting the container", SETTLE_SECONDS))
        if running is None:
            raise NoContainer(f"{self.address}: the engine named no container for {self._berth.image}")
        if running.image != self._berth.digest:
            raise NoContainer(f"{self.address}: {running.container} is not of {self._berth.image}")
        lifecycle.note_facts(self.row, container=running.container, port=running.port, image=running.image)
        where = f", port {running.port}" if running.port else ""
        self.note(self._phase, f"{running.container} runs beside what serves{where}")
        return running

    def _await_health(self, running: Running) -> None:
        """One that is not healthy goes again, and what serves has noticed nothing."""
        try:
            self._ask_new(running)
        except PipelineError:
            self._give_up(running)
            raise

    def _ask_new(self, running: Running) -> None:
        question = self._question()
        if question is not None:
            self.note(self._phase, f"is it healthy? {question.called}")
            self._wait_until_healthy(question)
            return
        try:
            self.do(f"{engines.FIND}\n{berths.stays_up(running.container)}", "looking whether the container stays up")
        except CommandCancelled:
            raise
        except PipelineError as error:
            raise Unhealthy(f"{self.address}: {running.container} does not stay up: {told(error)}") from error

    def _give_up(self, running: Running) -> None:
        """Why it is given up is what counts; that it could not be ended is said beside."""
        script = guarded(
            self.plan.layout, self.plan.claim, engines.FIND, berths.give_up(self._berth, running.container)
        )
        try:
            said = self._do_even_if_cancelled(script, "ending the new container")
        except PipelineError as error:
            said = told(error)
        if said.strip():
            self.note(self._phase, f"the last words of {running.container}:\n{said.rstrip()}")

    def _switch_to(self, running: Running) -> None:
        plan = self.plan
        self.note(Phase.SWITCHING, f"{running.container} takes over")
        if plan.spec.activate:
            self._step("activate", plan.spec.activate, self._parts_of_switch(), Phase.ACTIVATING)
        else:
            self.do(guarded(plan.layout, plan.claim, *self._parts_of_switch()), "the switch")

    def _settle_with(self, running: Running) -> str:
        """The old container ends in its own time; gives the state that the host then tells of itself."""
        plan, berth = self.plan, self._berth
        script = guarded(
            plan.layout, plan.claim, engines.FIND, berths.retire(berth, running.container), *self._parts_of_end()
        )
        return self.do(script, "ending the container before it", SETTLE_SECONDS + berth.spec.stop_seconds)

    def _parts_of_end(self) -> Sequence[str]:
        """As of every kind, and with the containers and images that are not needed any more."""
        marked, _, state = super()._parts_of_end()
        plan, keep = self.plan, self.plan.deploy.environment.keep_releases
        releases = commands.prune(plan.layout, plan.claim, keep, plan.spared)
        whole = berths.prune(self._berth, str(self.row.facts.get("container", "")), keep, plan.spared, releases)
        return (marked, f"(\n{whole}\n) || true", state)

    def _login(self) -> tuple[Login | None, bytes]:
        """How the project signs in to the image's registry, and the line with the password."""
        host = _registry_of(self._berth.image)
        mine = standing(self.plan.deploy.environment.project, host).mine
        if mine is None or not mine.username:
            return None, b""
        return Login(host, mine.username), mine.password.encode() + b"\n"

    def _do_even_if_cancelled(self, script: str, what: str) -> str:
        seconds = SHORT_SECONDS + self._berth.spec.stop_seconds
        return check(self._connection, script, what, deadline_seconds=seconds)


def _registry_of(image: str) -> str:
    """The first part of a name is its registry if it looks like a host."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB
