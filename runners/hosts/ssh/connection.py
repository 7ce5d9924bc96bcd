"""The seam to one machine: run a command on it, and what can go wrong."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from pipelines.errors import PipelineError, SystemFault, UserError

DEFAULT_OUTPUT_CAP_BYTES = 256 * 1024 * 1024


class HostUnreachable(UserError):
    """Nothing that speaks SSH answered there in time; counted apart from a host that failed."""


class HostBusy(HostUnreachable):
    """The SSH server dropped us before its greeting, as one does with too many new connections: try again."""


class HostKeyUnknown(UserError):
    """No key is pinned for this host; a person must look at the key and accept it."""


class HostKeyChanged(UserError):
    """The host shows another key than the pinned one: a rebuilt machine, or somebody in between."""


class AuthenticationRefused(UserError):
    """The host does not take our key for this user."""


class BadPrivateKey(UserError):
    """The stored private key cannot be read."""


class AgentUnusable(UserError):
    """There is no SSH agent beside this worker, or it does not hold the key that is wanted."""


class CommandNotStarted(UserError):
    """The host took us in but could not start our shell."""


class CommandFailed(UserError):
    """A command ended with another status than 0."""


class CommandTimedOut(UserError):
    """A command ran, or was silent, for too long; it was killed and is gone from the host."""


class CommandCancelled(PipelineError):
    """The caller asked us to stop; the command is gone from the host."""


class ConnectionLost(SystemFault):
    """The connection broke or the host froze while something ran: its outcome is unknown."""


class StillRunning(SystemFault):
    """A command that had to end could not be proven gone: the state of that host is unknown."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host's SSH server listens, and as whom we come."""

    host: str
    port: int = 22
    user: str = "root"

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"

    @property
    def pin_name(self) -> str:
        """The name a known_hosts file would use: `host`, or `[host]:port` beside port 22."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's public key, as a known_hosts file writes it."""

    type: str
    base64: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read `type base64`; a third word, the comment, is dropped. ValueError if it is not that."""
        words = line.split()
        if len(words) < 2:
            raise ValueError("a host key is written as: type base64")
        base64.b64decode(words[1], validate=True)
        return cls(words[0], words[1])

    def __str__(self) -> str:
        return f"{self.type} {self.base64}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. `exit_code` None is unknown and never a success; 128+n is death by signal n."""

    exit_code: int | None

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0


def never() -> bool:
    """For callers that cannot be cancelled."""
    return False


def discard(data: bytes) -> None:
    """For callers that do not read the output."""


class Connection(Protocol):
    """One authenticated connection to one host. Its methods may be called by several threads at once."""

    @property
    def address(self) -> Address: ...

    def run(
        self,
        command: str,
        *,
        deadline_seconds: float,
        silence_seconds: float | None = None,
        stdin: Iterable[bytes] = (),
        on_output: Callable[[bytes], None] = discard,
        cancelled: Callable[[], bool] = never,
        output_cap_bytes: int = DEFAULT_OUTPUT_CAP_BYTES,
        in_shell: bool = False,
    ) -> CommandResult:
        """Run a POSIX sh command in a session of its own and wait for its end.

        `in_shell` is for our own short scripts, which leave nothing running behind: they share one session, one after
        the other, as long as all goes well. One with `stdin` reads exactly what is sent: its input has no end there.

        `stdin` is sent block by block as the host takes it, then closed; each block is asked for in the calling
        thread. What it raises ends the command, as a limit does.
        `on_output` gets stdout and stderr as one stream, in the order written, in the calling thread.
        Beyond `output_cap_bytes` output is dropped, after one visible mark; the command goes on.
        `cancelled` is asked several times a second in the calling thread.

        Returns whatever the exit status is. Raises CommandTimedOut (no output for `silence_seconds`, or
        still there after `deadline_seconds`) and CommandCancelled only once every process of the session is
        gone from the host (TERM, a grace, KILL), StillRunning if that cannot be proven, ConnectionLost if
        the outcome cannot be learnt, CommandNotStarted if the host has no shell or no setsid.
        """
        ...

    @property
    def is_alive(self) -> bool:
        """False once the connection is known to be broken; True proves nothing."""
        ...

    def close(self) -> None:
        """End the connection, never raising. Commands still running through it raise ConnectionLost."""
        ...


def capture(
    connection: Connection,
    command: str,
    *,
    deadline_seconds: float,
    stdin: Iterable[bytes] = (),
    cancelled: Callable[[], bool] = never,
    cap_bytes: int = 1024 * 1024,
    in_shell: bool = False,
) -> tuple[CommandResult, str]:
    """Run a command with a short output and return it as text."""
    pieces: list[bytes] = []
    result = connection.run(
        command,
        deadline_seconds=deadline_seconds,
        stdin=stdin,
        on_output=pieces.append,
        cancelled=cancelled,
        output_cap_bytes=cap_bytes,
        in_shell=in_shell,
    )
    return result, b"".join(pieces).decode(errors="replace")


def check(
    connection: Connection,
    command: str,
    what: str,
    *,
    deadline_seconds: float,
    stdin: Iterable[bytes] = (),
    cancelled: Callable[[], bool] = never,
    in_shell: bool = False,
) -> str:
    """Run a command that has to succeed and return its output; `what` names it in the error."""
    result, text = capture(
        connection,
        command,
        deadline_seconds=deadline_seconds,
        stdin=stdin,
        cancelled=cancelled,
        in_shell=in_shell,
    )
    require(result, what, connection.address, text)
    return text


def require(result: CommandResult, what: str, address: Address, said: str) -> None:
    """Raise unless the command succeeded; an unknown outcome is our fault, a known one is not."""
    if result.exit_code is None:
        raise ConnectionLost(f"{address}: {what} ended without a status, so its outcome is unknown.")
    if not result.succeeded:
        last = said.strip()[-2000:] or "it printed nothing"
        raise CommandFailed(f"{address}: {what} ended with status {result.exit_code}: {last}")
