"""Moves bytes between us and a host, with an end to every wait. Knows channels by shape, not by library."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from pipelines.errors import PipelineError, SystemFault
from runners.hosts.ssh.connection import (
    Address,
    CommandCancelled,
    CommandNotStarted,
    CommandResult,
    CommandTimedOut,
    ConnectionLost,
)
from runners.hosts.ssh.sessions import SessionOutput

READ_BYTES = 64 * 1024
# Every SSH server takes a packet of this size.
UPLOAD_BYTES = 32 * 1024
# How often a quiet wait looks at its limits.
TICK_SECONDS = 0.1
# Output may still be under way when the status is known; a background process may hold it open for ever.
DRAIN_QUIET_SECONDS = 0.5
DRAIN_LIMIT_SECONDS = 10


class Channel(Protocol):
    """What we use of an SSH channel."""

    def settimeout(self, timeout: float) -> None: ...
    def recv(self, nbytes: int) -> bytes: ...
    def send(self, s: bytes) -> int: ...
    def recv_ready(self) -> bool: ...
    def shutdown_write(self) -> None: ...
    def exit_status_ready(self) -> bool: ...
    def recv_exit_status(self) -> int: ...


class Host(Protocol):
    """The connection a command runs on."""

    @property
    def address(self) -> Address: ...
    @property
    def is_alive(self) -> bool: ...
    def probe(self) -> None: ...
    def end(self, session_id: int) -> None: ...


class Stop(Exception):
    """A limit was reached; which one decides the error that the caller sees."""

    def __init__(self, kind: type[PipelineError], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason

    def error(self, what: str) -> PipelineError:
        return self.kind(f"{what} {self.reason}.")


@dataclass(slots=True)
class Limits:
    """When to give up: a deadline for the whole, one for silence, and the caller's wish."""

    deadline_seconds: float
    silence_seconds: float | None
    cancelled: Callable[[], bool]
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def silent(self) -> float:
        return time.monotonic() - self.heard

    def broken(self) -> Stop | None:
        if self.cancelled():
            return Stop(CommandCancelled, "was cancelled")
        if self.elapsed > self.deadline_seconds:
            return Stop(CommandTimedOut, f"took longer than {self.deadline_seconds:g} s")
        if self.silence_seconds is not None and self.silent > self.silence_seconds:
            return Stop(CommandTimedOut, f"was silent for {self.silence_seconds:g} s")
        return None


class Feed:
    """A command's input, on its way. A command that ends or closes it early is no error: its status tells."""

    def __init__(self, blocks: Iterable[bytes], watch: "Watch") -> None:
        self._blocks: Iterator[bytes] = filter(None, blocks)
        self._rest = b""
        self._watch = watch
        self.is_open = True

    def send(self, channel: Channel) -> int:
        """Send a piece, or close; gives the bytes that went. Waits no longer than the channel's time-out."""
        self._rest = self._rest or next(self._blocks, b"")
        self._watch.touch()
        try:
            if self._rest:
                sent = channel.send(self._rest[:UPLOAD_BYTES])
                self._rest = self._rest[sent:]
                return sent
            self._end()
            channel.shutdown_write()
        except TimeoutError:
            pass
        except (OSError, EOFError):
            self._end()
        return 0

    def _end(self) -> None:
        self.is_open = False
        self._watch.end()


@dataclass(slots=True)
class RemoteCommand:
    """One started command until its end."""

    host: Host
    channel: Channel
    output: SessionOutput
    limits: Limits
    feed: "Feed"
    probe_seconds: float
    next_look: float = 0
    next_probe: float = 0

    def finish(self) -> CommandResult:
        self.channel.settimeout(TICK_SECONDS)
        try:
            while not self.channel.exit_status_ready():
                if not self._turn():
                    break
                self._look()
            self._drain()
        except Stop as stop:
            self._end()
            raise stop.error(f"{self.host.address}: the command") from None
        except ConnectionLost:
            raise
        except BaseException:  # the caller could not take the output: nobody waits for this command any more
            with contextlib.suppress(SystemFault):
                self._end()
            raise
        return self._result()

    def _turn(self) -> bool:
        """Send some, read some; False at the end of the output. Waits at most a tick for the one or the other."""
        if self.feed.is_open:
            if self.feed.send(self.channel):
                self.limits.heard = time.monotonic()
            if self.feed.is_open and not self.channel.recv_ready():
                return True
        return self._read()

    def _read(self) -> bool:
        """False at the end of the output."""
        try:
            data = self.channel.recv(READ_BYTES)
        except TimeoutError:
            return True
        self.limits.heard = time.monotonic()
        self.output.feed(data)
        return bool(data)

    def _look(self) -> None:
        """A few times a second: has a limit been reached, does the host still live?"""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + TICK_SECONDS
        if self.output.too_noisy:
            raise Stop(CommandNotStarted, "did not start: the login files print too much")
        if stop := self.limits.broken():
            raise stop
        self._probe(now)

    def _probe(self, now: float) -> None:
        if self.limits.silent > self.probe_seconds and now > self.next_probe:
            self.host.probe()
            self.next_probe = time.monotonic() + self.probe_seconds

    def _drain(self) -> None:
        ends = time.monotonic() + DRAIN_LIMIT_SECONDS
        self.limits.heard = time.monotonic()
        while time.monotonic() < ends and self.limits.silent < DRAIN_QUIET_SECONDS:
            if not self._read():
                break
        while not self.channel.exit_status_ready():  # it follows the last output within a moment
            self._look()
            time.sleep(TICK_SECONDS / 20)

    def _end(self) -> None:
        """The session is ended even if we only guess that it started: wait a moment for its id."""
        patience = time.monotonic() + 3
        while self.output.session_id is None and time.monotonic() < patience and self._read():
            pass
        if self.output.session_id is not None:
            self.host.end(self.output.session_id)

    def _result(self) -> CommandResult:
        status = self.channel.recv_exit_status()
        if self.output.session_id is None:
            raise self._not_started(status)
        if status == -1 and not self.host.is_alive:
            raise ConnectionLost(
                f"{self.host.address}: the connection broke while a command ran; its outcome is unknown."
            )
        return CommandResult(None if status < 0 else status)

    def _not_started(self, status: int) -> PipelineError:
        if not self.host.is_alive:
            return ConnectionLost(f"{self.host.address}: the connection broke before a command started.")
        said = bytes(self.output.noise[-500:]).decode(errors="replace").strip() or "nothing"
        return CommandNotStarted(
            f"{self.host.address}: the shell did not start our command (status {status}); it printed: {said}"
        )


class Watch:
    """Breaks the connection from outside when sending hangs in a write that nothing else can end."""

    def __init__(self, abort: Callable[[], None], deadline_seconds: float, silence_seconds: float) -> None:
        self._abort = abort
        self._silence_seconds = silence_seconds
        # The caller sees its own deadline between two blocks; this one is for when it sees nothing.
        self._last = time.monotonic() + deadline_seconds + silence_seconds
        self._heard = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="upload-watch")

    def end(self) -> None:
        """Nothing is sent any more."""
        self._over.set()

    def touch(self) -> None:
        self._heard = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(TICK_SECONDS * 2):
            now = time.monotonic()
            if now > self._last or now - self._heard > self._silence_seconds:
                self._abort()
                return
