"""The seam to what an engine does beside a stage's own container: services, and images that it builds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Protocol

from pipelines.errors import UserError
from runners.containers.executor import Access, Container, Credential, Limits, Ownership, State


class BuildFailed(UserError):
    """An instruction of a Dockerfile failed: the log says which and why."""


class PushFailed(UserError):
    """A registry did not take an image: see its sign-in and its name."""


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """A container beside that of the attempt, reached from it by `name`. `command` are the words that replace the
    image's own. `checks`: the image's own health check is asked whether it is ready."""

    owner: Ownership
    name: str
    image: str
    environ: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    access: Access = field(default_factory=Access)
    checks: bool = False


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """An image to build. `file` is a path in the context; the previous image of the same `name` is let go. `ask`:
    images to begin from are only taken if their registries give them, see Access."""

    owner: Ownership
    name: str
    file: str
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    credentials: tuple[Credential, ...] = ()
    ask: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """An image on the engine: its id, `sha256:…`, and its bytes."""

    image: str
    size: int


@dataclass(frozen=True, slots=True)
class Condition:
    """How a service stands. `health` is the word of its own check (starting, healthy, unhealthy), empty without one;
    `ports` are the TCP ports that its image says it serves."""

    state: State
    exit_code: int = 0
    health: str = ""
    ports: tuple[int, ...] = ()


class ServiceEngine(Protocol):
    """Containers beside that of an attempt, on a network of the attempt's own. Their output is read, and they are
    started and ended, as other containers."""

    def create(self, plan: ServicePlan, watch: Callable[[], None]) -> Container:
        """As Executor.create; makes the network first."""
        ...

    def condition(self, container: Container) -> Condition:
        """How it stands now. Raises ContainerGone."""
        ...

    def says_yes(self, container: Container, command: str) -> bool:
        """Whether `command`, given to /bin/sh in the container, ends with 0 within a few seconds."""
        ...

    def listens(self, container: Container, port: int, image: str) -> bool:
        """Whether something in the container listens on the TCP port, on more than its loopback. Nothing of its own
        image is needed; a container of `image`, which has /bin/sh and is on the engine, looks."""
        ...


class BuildEngine(Protocol):
    """Builds images and pushes them. `watch` is called all the time; what it raises ends the work and all that the
    engine does for it. `say` is told what goes on, as text."""

    def build(
        self, plan: BuildPlan, context: IO[bytes], watch: Callable[[], None], say: Callable[[str], None]
    ) -> Built:
        """Build from a tar of the context. The image gets no name that anybody but us would ask for. Raises
        BuildFailed."""
        ...

    def push(
        self, built: Built, tag: str, credential: Credential, watch: Callable[[], None], say: Callable[[str], None]
    ) -> str:
        """Push under a full name; returns the digest that the registry knows it by, `sha256:…`. Raises PushFailed."""
        ...
