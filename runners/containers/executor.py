"""The seam to what opens containers: one attempt of a stage is performed in one container.

An executor keeps no state of its own between calls: any runner on the same engine can carry on with a container that
another one began. Every method raises EngineGone when the engine does not answer, and each may be called again then.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pipelines.errors import SystemFault, UserError

if TYPE_CHECKING:
    from runners.containers.beside import BuildEngine, ServiceEngine


class ImageMissing(UserError):
    """The image is not on this machine and could not be pulled: correct its name or publish it."""


class NoShell(UserError):
    """The image has no /bin/sh to run steps with: choose one that has."""


class EngineGone(SystemFault):
    """The container engine does not answer, or refused what should work: see to the engine."""


class ContainerGone(SystemFault):
    """The container was removed behind our back: what became of it cannot be learnt."""


class ContainerTaken(SystemFault):
    """The attempt has a container already, and whoever made it may be at work with it: find out, or let it be."""


class State(StrEnum):
    """`created`: never started. `gone`: only its volume is left."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose container it is; goes onto it as labels. One attempt never has two containers.

    It can be told before the attempt exists: `attempt` is the number that it has, or will have, at its stage.
    """

    run: int
    stage: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use; swap counts as memory."""

    memory_bytes: int = 2 * 1024**3
    cpus: float = 2.0
    pids: int = 1024


@dataclass(frozen=True, slots=True)
class Credential:
    """How a registry is told who we are; both empty: nobody in particular."""

    host: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """How an image may be had. `ask`: even one that is on the machine only if its registry gives it to us, for it may
    have come here with another project's credential."""

    credential: Credential | None = None
    ask: bool = False


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """All that a stage decides about its container: everything else is the executor's, and the same for all.

    `seal` goes onto the container as a label: what it was made from, as a digest that only this server can make.
    `has_company`: it is on a network of the attempt's own, with its services. `privileged`: not confined at all, so
    only for whom an operator trusts like the machine's own root.
    """

    owner: Ownership
    image: str
    environ: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    access: Access = Access()
    has_company: bool = False
    privileged: bool = False
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of ours as it was when we looked. `made_at` is in seconds since 1970; 0 when it was not asked for."""

    id: str
    owner: Ownership
    state: State
    seal: str = ""
    made_at: float = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Exit:
    """How the main process ended. `oom_killed`: something in the container was killed for want of memory."""

    code: int
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path of a container. `link_target` is None for all but symbolic links."""

    name: str
    is_directory: bool
    link_target: str | None


class Output(Protocol):
    """Raw output of a container, in order, each byte once. It is text: bytes that are not UTF-8 came out as U+FFFD,
    in the same way by every source, so that a byte offset means the same place in each."""

    def read(self, timeout_seconds: float) -> bytes | None:
        """The next bytes; `b""` when none came within the time; None when no more will come.

        None from `output` can also mean that it broke, or that the container closed its output and runs on: ask
        `wait`, and unless the script was heard to its end, read the rest by `journal`. Raises EngineGone.
        """
        ...

    def close(self) -> None:
        """Read no more; from any thread, as often as you like. A `read` that waits meanwhile ends with None."""
        ...


class Line(Output, Protocol):
    """A container's live output, and the way to let it go."""

    def go(self) -> None:
        """As `Executor.go`. Raises EngineGone; then it may have been heard all the same."""
        ...


class Executor(Protocol):
    """Opens containers, and finds them again."""

    def find(self, owner: Ownership) -> Container | None:
        """The container of an attempt, whoever created it; called first by whoever performs or takes over one."""
        ...

    def create(self, plan: ContainerPlan, watch: Callable[[], None] = ...) -> Container:
        """Create the attempt's container, not yet started, pulling its image if need be. Of several calls, from any
        runners, one creates it: to the others it raises ContainerTaken, for two that fill one container, or let it go,
        would not know of each other. A pull may take minutes: it calls `watch` now and then and ends with what that
        raises. Raises ImageMissing."""
        ...

    def put(self, container: Container, stream: Iterable[bytes], directory: str = "/") -> None:
        """Unpack a tar stream (plain or gzip) in `directory`, before `go`. After a failure the same again."""
        ...

    def output(self, container: Container) -> Line:
        """The live output, opened before `start`, so that it misses nothing; at most one reader, and while it does not
        read, the container waits. A container that was not let go when this is closed ends, with IN_VAIN."""
        ...

    def start(self, container: Container) -> None:
        """Start it; it waits to be let go. Does nothing to a container that was started before. Raises NoShell where
        the engine notices by itself."""
        ...

    def go(self, container: Container) -> None:
        """Let a started container run its main script, /bin/sh /slipway/main. For takeovers: from any runner, also when
        another one may have done it. A script never runs twice, and what has ended meanwhile is not run."""
        ...

    def journal(self, container: Container, raw_from: int = 0) -> Output:
        """The output of a started container from byte `raw_from` on, as the engine has kept it, until the container
        has ended: complete, but some time behind. For takeovers and after `output` broke."""
        ...

    def wait(self, container: Container, timeout_seconds: float) -> Exit | None:
        """How a started container ended; None while it still runs. Raises NoShell and ContainerGone."""
        ...

    def terminate(self, container: Container) -> None:
        """Send TERM to all that runs inside and return at once; harmless when it has ended."""
        ...

    def kill(self, container: Container) -> None:
        """End all that runs inside, now; harmless when it has ended."""
        ...

    def entry(self, container: Container, path: str) -> Entry | None:
        """What lies at an absolute path, or None. No link is followed at its end; inside a container that has ended
        nothing changes between this and `get`."""
        ...

    def get(self, container: Container, path: str) -> Iterator[bytes]:
        """What lies at an absolute path as a tar stream, also out of a container that has ended. The names in it
        begin with the path's last part. Raises ContainerGone if nothing is there."""
        ...

    def remove(self, container: Container) -> None:
        """Remove a container and its workspace, running or not. Only after its log and verdict are committed.
        Idempotent, and several at once do no harm."""
        ...

    def discard(self, container: Container) -> None:
        """Remove a container and its workspace unless it runs: of one that nobody has let go."""
        ...

    def ours(self) -> list[Container]:
        """Every container of this installation, and every workspace or network that has lost its container: for the
        reaper, who clears those whose attempt has ended or is unknown."""
        ...

    def clear(self, owner: Ownership) -> None:
        """Remove all that an attempt has on the engine: container, services, builds, network and workspace. As
        `remove`."""
        ...

    @property
    def services(self) -> "ServiceEngine": ...

    @property
    def builds(self) -> "BuildEngine": ...

    def close(self) -> None:
        """Let go of the connection; containers go on."""
        ...
