"""The `deploy` section as values: how this software is installed on a host."""

from dataclasses import dataclass
from enum import StrEnum

from pipelines.spec.stored import Stored

DEFAULT_HEALTH_TIMEOUT_SECONDS = 30
DEFAULT_PARALLEL = 10
DEFAULT_TIMEOUT_SECONDS = 900
DEFAULT_STOP_SECONDS = 30

Share = int | str
"""A number of hosts, or a share of all of them such as `"25%"`, rounded up."""


class ReleaseKind(StrEnum):
    """What reaches a host."""

    FILES = "files"
    IMAGE = "image"
    COMMANDS = "commands"


class StrategyKind(StrEnum):
    """In which manner the hosts are brought over."""

    WAVES = "waves"
    BLUE_GREEN = "blue_green"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class HealthSpec(Stored):
    """How a host is asked whether the release serves: exactly one of `url` and `command`, both run on the host.

    Asked again and again until it has said yes `answers` times in a row, `interval_seconds` apart, or
    `timeout_seconds` are over. `$SLIPWAY_PORT` in either is the port of an image's new container.
    """

    url: str | None = None
    command: str | None = None
    timeout_seconds: int = DEFAULT_HEALTH_TIMEOUT_SECONDS
    answers: int = 1
    interval_seconds: int = 1


@dataclass(frozen=True, slots=True)
class CompareSpec(Stored):
    """A command that prints one number on each host, smaller being better.

    The median of the new hosts may be at most `tolerance` times that of the hosts that are still on the old release.
    """

    command: str
    tolerance: float = 1.5


@dataclass(frozen=True, slots=True)
class StrategySpec(Stored):
    """In which portions the hosts are taken.

    A wave is a number of hosts, a share of all hosts (`"25%"`) or `"rest"`; the last one repeats until no host
    is left. Within a wave at most `parallel` hosts are worked on at once. More than `max_failures` failed hosts
    stop the deploy. After each wave but the last its hosts must stay healthy for `bake_seconds`, and, if `compare`
    is given, no worse than the others: that makes the first wave a canary. With `remove_first` the machines that are
    replaced leave the traffic before the new ones are in it, not after.
    """

    kind: StrategyKind = StrategyKind.WAVES
    waves: tuple[Share, ...] = (1, "rest")
    parallel: int = DEFAULT_PARALLEL
    max_failures: Share = 0
    bake_seconds: int = 0
    compare: CompareSpec | None = None
    remove_first: bool = False


@dataclass(frozen=True, slots=True)
class HookSpec(Stored):
    """A command at a certain moment, on each host or, with `once`, on one host of the deploy."""

    run: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class HooksSpec(Stored):
    """`before` the switch of a host, `after` it is healthy, and on `failure`, before anything is brought back."""

    before: tuple[HookSpec, ...] = ()
    after: tuple[HookSpec, ...] = ()
    failure: tuple[HookSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class RequiresSpec(Stored):
    """What the pre-flight asks of each host before anything changes on any."""

    sudo: bool = False
    tools: tuple[str, ...] = ()
    disk_mb: int = 0


@dataclass(frozen=True, slots=True)
class ContainerSpec(Stored):
    """How an image runs on a host's engine. `port` is inside; outside it gets a free one, `$SLIPWAY_PORT`."""

    name: str
    port: int | None = None
    address: str = "127.0.0.1"
    volumes: tuple[str, ...] = ()
    command: str = ""
    network: str = ""
    stop_seconds: int = DEFAULT_STOP_SECONDS


@dataclass(frozen=True, slots=True)
class DeploySpec(Stored):
    """How this software is installed on one host, as one of three kinds.

    *files*: `artifact` is the path that is shipped, as a stage keeps it. *image*: `image` is the tag that a stage
    builds and pushes, pulled by the host's engine by its digest and run as `container`. *commands*: `commands` are run
    on the host, nothing is shipped.

    `path` is absolute and holds `releases/<n>/`, `shared/`, the link `current`, and what Slipway keeps on the host;
    `shared` are paths inside a release that outlive it. `irreversible`: what `migrate` does cannot be undone.
    No command runs longer than `timeout_seconds` nor is silent for longer than `silence_seconds`, if that is given.
    """

    artifact: str = ""
    path: str = ""
    image: str = ""
    container: ContainerSpec | None = None
    commands: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    requires: RequiresSpec = RequiresSpec()
    migrate: str | None = None
    irreversible: bool = False
    activate: str | None = None
    hooks: HooksSpec = HooksSpec()
    health: HealthSpec | None = None
    strategy: StrategySpec = StrategySpec()
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    silence_seconds: int | None = None

    @property
    def kind(self) -> ReleaseKind:
        if self.image:
            return ReleaseKind.IMAGE
        return ReleaseKind.COMMANDS if self.commands else ReleaseKind.FILES
