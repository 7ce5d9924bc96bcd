"""What is the same on every host of a deploy, and what its commands see of it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote

from pipelines.deploys.models import Deploy, HostDeploy
from pipelines.spec.installation import DeploySpec, HookSpec
from runners.hosts.archive import Archive
from runners.hosts.health import HealthCheck
from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import Layout
from runners.hosts.ssh.fleet import Fleet
from runners.hosts.traffic import Traffic


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
    traffic: Traffic
    cancelled: Callable[[], bool]
    abandoned: threading.Event
    values: Mapping[str, str] = field(default_factory=dict, repr=False)  # what the environment file holds
    spared: Sequence[int] = ()  # numbers of releases that stay on the hosts however many are newer

    @property
    def number(self) -> int:
        return self.deploy.release.number

    @property
    def digest(self) -> str:
        """Tells the release from every other one: of a release of commands alone it is the commit."""
        return self.deploy.release.digest or self.deploy.release.sha


def facts(plan: Plan, row: HostDeploy) -> dict[str, str]:
    """The SLIPWAY_* variables of every command of a deploy. The port is that of an image's new container; before it is
    there, of the one that serves."""
    release = plan.deploy.release
    return {
        "SLIPWAY_RELEASE": str(release.number),
        "SLIPWAY_SHA": release.sha,
        "SLIPWAY_REF": release.ref,
        "SLIPWAY_DEPLOY": str(plan.deploy.number),
        "SLIPWAY_ENVIRONMENT": plan.deploy.environment.name,
        "SLIPWAY_HOST": row.host.name,
        "SLIPWAY_PORT": str(row.facts.get("port") or row.host.facts.get("port") or ""),
    }


def with_environment(plan: Plan, row: HostDeploy, command: str) -> str:
    """The command sees the configuration as variables, and which release, deploy and host it is for."""
    waiting = plan.layout.environment_file(plan.number, plan.claim.deploy)
    files = (f"{plan.layout.release(plan.number)}/.env", waiting)
    loads = "".join(f"[ ! -f {quote(file)} ] || . {quote(file)}\n" for file in files)
    told = "".join(f"{name}={quote(value)}\n" for name, value in facts(plan, row).items())
    return f"set -a\n{loads}{told}set +a\n{command}"


def has_once(hooks: Sequence[HookSpec]) -> bool:
    """Whether any of these is for one host of all."""
    return any(hook.once for hook in hooks)


def question_of(plan: Plan, row: HostDeploy, directory: str) -> HealthCheck | None:
    """What the host is asked after its switch, if the spec has a question."""
    health = plan.spec.health
    if health is None:
        return None
    url, port = health.url, facts(plan, row)["SLIPWAY_PORT"]
    return HealthCheck(
        url=url and url.replace("${SLIPWAY_PORT}", port).replace("$SLIPWAY_PORT", port),
        command=with_environment(plan, row, health.command) if health.command else None,
        title=health.command or "",
        directory=directory,
        timeout_seconds=health.timeout_seconds,
        interval_seconds=health.interval_seconds,
        answers=health.answers,
    )
