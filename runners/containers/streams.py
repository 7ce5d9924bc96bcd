"""Output of a Docker container over a hijacked connection: live by attach, and from the journal."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import requests

from runners.containers.executor import EngineGone
from runners.containers.frames import FrameSplitter
from runners.containers.journal import JournalText
from runners.containers.script import GO

CHUNK_BYTES = 256 * 1024
_TELL_SECONDS = 1.0
_PAUSE_SECONDS_MIN = 0.5
_PAUSE_PER_REPLAY = 10.0  # at most about a tenth of the time is spent on reading a journal again and again


class Framed:
    """The payload of a hijacked connection, until the engine ends it."""

    def __init__(self, connection: socket.socket, response: requests.Response) -> None:
        self._connection, self._response = connection, response
        self._frames = FrameSplitter()
        self._ahead = _read_ahead(connection, response)

    def read(self, timeout_seconds: float) -> bytes | None:
        """See Output.read; what comes here is as the container printed it."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return self._frames.feed(data)
        try:
            self._connection.settimeout(max(timeout_seconds, 0.001))
            data = self._connection.recv(CHUNK_BYTES)
        except TimeoutError:
            return b""
        except OSError:  # closed by us, or broken: the caller finds out which by asking for the container
            return None
        return self._frames.feed(data) if data else None

    def tell(self, word: bytes) -> None:
        """Write a line to the container. Raises EngineGone when the connection has ended."""
        try:
            self._connection.settimeout(_TELL_SECONDS)
            self._connection.sendall(word + b"\n")
        except OSError as error:
            raise EngineGone(f"a container could not be told {word.decode()}: {error}") from error

    def say(self, word: bytes) -> None:
        """Write one line, wait until the engine has taken it, and close. Raises EngineGone as `tell`."""
        try:
            self.tell(word)
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)
                self._connection.recv(1)
        finally:
            self.close()

    def close(self) -> None:
        """A shutdown wakes a reader in another thread, which closing alone would not."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._response.close()


def _read_ahead(connection: socket.socket, response: requests.Response) -> bytes:
    """What came together with the answer's headers and waits in the HTTP client's buffer."""
    connection.settimeout(0)
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
        buffered: Any = response.raw._fp
        return bytes(buffered.fp.peek())
    return b""


class Live:
    """Attached output, as text that the journal will give back the same."""

    def __init__(self, framed: Framed) -> None:
        self._framed = framed
        self._text = JournalText()

    def read(self, timeout_seconds: float) -> bytes | None:
        data = self._framed.read(timeout_seconds)
        return self._text.feed(data) if data else data

    def go(self) -> None:
        """See Line.go."""
        self._framed.tell(GO)

    def close(self) -> None:
        self._framed.close()


class Journal:
    """Replays the journal from its start, passing over what was taken, until a replay that began after the end.

    Following a journal loses its end when the reader lags, so this reads it again instead: the longer that takes, the
    more seldom.
    """

    def __init__(self, replay: Callable[[], Framed], has_ended: Callable[[], bool], raw_from: int) -> None:
        self._open, self._has_ended = replay, has_ended
        self._taken = raw_from
        self._replay: Framed | None = None
        self._passed = 0
        self._is_last = self._is_closed = False
        self._opened_at = self._due_at = time.monotonic()

    def read(self, timeout_seconds: float) -> bytes | None:
        """See Output.read."""
        if self._is_closed:
            return None
        if self._replay is None:
            return self._begin(timeout_seconds)
        data = self._replay.read(timeout_seconds)
        return self._end() if data is None else self._new(data)

    def close(self) -> None:
        """See Output.close."""
        self._is_closed = True
        if (replay := self._replay) is not None:
            replay.close()

    def _begin(self, timeout_seconds: float) -> bytes:
        wait_seconds = self._due_at - time.monotonic()
        time.sleep(max(min(wait_seconds, timeout_seconds), 0))
        if wait_seconds <= timeout_seconds:
            self._is_last = self._has_ended()
            self._opened_at, self._passed = time.monotonic(), 0
            self._replay = self._open()
        return b""

    def _new(self, data: bytes) -> bytes:
        start = min(max(self._taken - self._passed, 0), len(data))
        self._passed += len(data)
        self._taken += len(data) - start
        return data[start:]

    def _end(self) -> bytes | None:
        if self._replay is not None:
            self._replay.close()
            self._replay = None
        if self._is_last and self._passed < self._taken:
            raise EngineGone(f"the engine kept {self._passed} bytes of output, of which {self._taken} were seen before")
        if self._is_last:
            return None
        now = time.monotonic()
        self._due_at = now + max(_PAUSE_SECONDS_MIN, (now - self._opened_at) * _PAUSE_PER_REPLAY)
        return b""
