"""A pipeline file as values. Every value also lives in JSON columns, so each goes to JSON and back unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import TypeAdapter

DEFAULT_TIMEOUT_SECONDS = 3600
DEFAULT_HEALTH_TIMEOUT_SECONDS = 30
DEFAULT_PARALLEL = 10


class Stored:
    """Goes into a JSON column and comes back equal; a key added later is read as its default from older rows."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises pydantic.ValidationError for what `to_json` of this class never wrote."""
        value: Self = _adapter(cls).validate_python(stored)
        return value


_ADAPTERS: dict[type[Stored], TypeAdapter[Any]] = {}


def _adapter(kind: type[Stored]) -> TypeAdapter[Any]:
    """Made once per class, as making one takes milliseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@dataclass(frozen=True, slots=True)
class StepSpec(Stored):
    """One command of a stage; `run` may have many lines. Without a name in the file, `name` is its first line."""

    name: str
    run: str


@dataclass(frozen=True, slots=True)
class When(Stored):
    """Which events a stage is for; an empty tuple asks nothing. See `conditions.applies`."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageSpec(Stored):
    """One stage, complete in itself: `image` and `env` of the file's top are already in it.

    `needs` is never implicit: a stage that said nothing has the one before it in the file here.
    """

    name: str
    image: str
    steps: tuple[StepSpec, ...]
    needs: tuple[str, ...] = ()
    when: When = When()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS


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


@dataclass(frozen=True, slots=True)
class PipelineSpec(Stored):
    """The whole file. `image` and `env` are the top-level defaults as written; stages already carry them."""

    image: str | None
    env: Mapping[str, str]
    stages: tuple[StageSpec, ...]
    deploy: DeploySpec | None = None

    def stage(self, name: str) -> StageSpec:
        """The stage of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
