"""The `deploy` section as values: how this software is installed on a host."""

from dataclasses import dataclass

from pipelines.spec.stored import Stored

DEFAULT_HEALTH_TIMEOUT_SECONDS = 30
DEFAULT_PARALLEL = 10


@dataclass(frozen=True, slots=True)
class HealthSpec(Stored):
    """How a host is asked whether the release serves: exactly one of `url` and `command`, both run on the host.

    Asked again and again until it says yes or `timeout_seconds` are over.
    """

    url: str | None = None
    command: str | None = None
    timeout_seconds: int = DEFAULT_HEALTH_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class StrategySpec(Stored):
    """In which portions the hosts are taken.

    A wave is a number of hosts, a share of all hosts (`"25%"`) or `"rest"`; the last one repeats until no host
    is left. Within a wave at most `parallel` hosts are worked on at once. More than `max_failures` failed hosts
    stop the deploy.
    """

    waves: tuple[int | str, ...] = (1, "rest")
    parallel: int = DEFAULT_PARALLEL
    max_failures: int = 0


@dataclass(frozen=True, slots=True)
class DeploySpec(Stored):
    """How this software is installed on one host. `artifact` is the path that is shipped, as a stage keeps it.

    `path` is absolute and holds `releases/<n>/`, `shared/` and the link `current`; `shared` are paths inside a
    release that outlive it.
    """

    artifact: str
    path: str
    shared: tuple[str, ...] = ()
    migrate: str | None = None
    activate: str | None = None
    health: HealthSpec | None = None
    strategy: StrategySpec = StrategySpec()
