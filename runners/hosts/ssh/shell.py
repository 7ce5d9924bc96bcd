"""One long-lived sh on a host, for our own scripts, one after the other: a session for each costs far more.

The sh reads what it is to do from its input. Each script is one line list: a mark that it begins, the script in a sh
of its own, a mark with its status. A script that takes input is followed by the mark itself: should the script have
left some of its input unread, that is not taken for commands; the sh ends.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from shlex import quote

from runners.hosts.ssh.connection import Address, CommandResult
from runners.hosts.ssh.pump import TICK_SECONDS, Channel, Limits, Stop
from runners.hosts.ssh.sessions import SessionOutput

START = "exec sh"

# As `sessions`: the session's id comes first, and where the server begins no session, one is begun.
_HELLO = """\
command -v setsid >/dev/null || exit 127
if {{ read -r line < /proc/$$/stat; }} 2>/dev/null; then set -- ${{line##*) }}; fi
[ "${{4-}}" = $$ ] || exec setsid sh -c 'echo "$0 $$"; exec 2>&1; exec sh' {token}
set --; exec 2>&1; echo "{token} $$"
"""


class ShellGone(Exception):
    """There is no such sh, or it has ended, and has not begun what it was asked: a session of its own can do it.

    `left` is the script's input then, if some of it was asked for already.
    """

    def __init__(self, left: "Iterable[bytes] | None" = None) -> None:
        super().__init__("the shell is gone")
        self.left = left


class SharedShell:
    """The one sh of a connection, for whichever of its threads comes first; opened when it is first wanted."""

    def __init__(
        self,
        address: Address,
        open_channel: Callable[[], AbstractContextManager[Channel]],
        finish: Callable[[Channel, SessionOutput, Limits, Iterable[bytes]], CommandResult],
        patience_seconds: float,
    ) -> None:
        self._address = address
        self._open_channel = open_channel
        self._finish = finish
        self._patience_seconds = patience_seconds
        self._turn = threading.Lock()
        self._opened = ExitStack()
        self._shell: Shell | None = None

    def run(self, script: str, output: SessionOutput, limits: Limits, stdin: Iterable[bytes]) -> CommandResult:
        """As Connection.run; ShellGone when another thread has it, or when the script has not been begun."""
        if not self._turn.acquire(blocking=False):
            raise ShellGone
        try:
            return self._run(self._shell or self._open(limits), script, output, limits, stdin)
        finally:
            self._turn.release()

    def rest(self) -> None:
        """Give its session back, unless it is at work."""
        if self._turn.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._turn.release()

    def _run(
        self, shell: "Shell", script: str, output: SessionOutput, limits: Limits, stdin: Iterable[bytes]
    ) -> CommandResult:
        output.session_id = shell.session_id
        try:
            turn = shell.begin(script, takes_input=bool(stdin))
            given = _Input(stdin)
            result = self._finish(turn, output, limits, given if stdin else ())
            if not turn.is_begun:
                raise ShellGone(chain([given.last], given) if stdin else None)
        except BaseException as error:
            self._drop()
            output.session_id = None if isinstance(error, ShellGone) else output.session_id
            raise
        if not turn.settle(given, self._patience_seconds):
            self._drop()
        return result

    def _open(self, limits: Limits) -> "Shell":
        with ExitStack() as opened:
            shell = Shell(opened.enter_context(self._open_channel()), self._patience_seconds)
            try:
                shell.greet(limits)
            except Stop as stop:
                raise stop.error(f"{self._address}: the command") from None
            self._opened, self._shell = opened.pop_all(), shell
            return shell

    def _drop(self) -> None:
        self._shell = None
        self._opened.close()


class _Input:
    """A script's input; knows how much of it was asked for."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self.size = 0
        self.last = b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.last = next(self._blocks)
        self.size += len(self.last)
        return self.last

    @property
    def is_over(self) -> bool:
        return next(filter(None, self), None) is None


class Shell:
    """The sh at the other end of a channel on which START was executed. Used by one thread at a time."""

    def __init__(self, channel: Channel, patience_seconds: float) -> None:
        self._channel = channel
        self._patience_seconds = patience_seconds
        self._token = f"slipway-shell-{secrets.token_hex(8)}"
        self._count = 0
        self.session_id = 0

    def greet(self, limits: Limits) -> None:
        """Wait until it stands. Raises Stop at a limit, ShellGone when there will be none."""
        output = SessionOutput(self._token, 0, lambda data: None)
        self._send(_HELLO.format(token=self._token))
        until = time.monotonic() + self._patience_seconds
        self._channel.settimeout(TICK_SECONDS)
        while output.session_id is None:
            if stop := limits.broken():
                raise stop
            try:
                data = self._channel.recv(4096)
            except TimeoutError:
                data = b" "
            if not data or output.too_noisy or time.monotonic() > until:
                raise ShellGone
            output.feed(data)
        self.session_id = output.session_id

    def begin(self, script: str, *, takes_input: bool) -> "Turn":
        self._count += 1
        mark = f"{self._token}-{self._count}"
        end = f'; IFS= read -r line; [ "$line" = {mark} ] || exit 1' if takes_input else ""
        source = "" if takes_input else " < /dev/null"
        line = f"printf '\\001{mark} go\\n'; sh -c {quote(script)}{source}; printf '\\001{mark} %d\\n' $?{end}\n"
        self._send(line)
        return Turn(self._channel, mark.encode(), takes_input=takes_input)

    def _send(self, text: str) -> None:
        """What did not go whole is never begun: its quotes are open."""
        data = text.encode()
        self._channel.settimeout(self._patience_seconds)
        try:
            while data:
                data = data[self._channel.send(data) :]
        except (OSError, EOFError) as error:
            raise ShellGone from error


class Turn:
    """One script in the shell: a channel whose output ends at the mark. Its input is never closed: who writes a
    script with input lets it read exactly so much as is sent."""

    def __init__(self, channel: Channel, mark: bytes, *, takes_input: bool) -> None:
        self._channel = channel
        self._mark = mark
        self._takes_input = takes_input
        # A sign that texts do not have: what may be a mark is held back, and a line's end is not to wait for the next.
        self._begin, self._end = b"\1%s go\n" % mark, b"\1%s " % mark
        self._raw = b""
        self._ready = b""
        self._status: int | None = None
        self._sent_bytes = 0
        self._is_cut = False
        self.is_begun = False

    def settimeout(self, timeout: float) -> None:
        self._channel.settimeout(timeout)

    def recv_ready(self) -> bool:
        return bool(self._ready) or self.exit_status_ready() or self._channel.recv_ready()

    def recv(self, nbytes: int) -> bytes:
        while not self._ready and not self.exit_status_ready():
            self._take(nbytes)
        data, self._ready = self._ready, b""
        return data

    def send(self, s: bytes) -> int:
        """Nothing goes before the script has begun: the sh would take it for its own."""
        while not self.is_begun and not self.exit_status_ready():
            self._take(len(s))
        if self.exit_status_ready():
            raise EOFError("the script has ended")
        sent = self._channel.send(s)
        self._sent_bytes += sent
        return sent

    def shutdown_write(self) -> None:
        """The sh itself goes on reading."""

    def exit_status_ready(self) -> bool:
        return self._status is not None or self._is_cut

    def recv_exit_status(self) -> int:
        return -1 if self._status is None else self._status

    def settle(self, given: "_Input", patience_seconds: float) -> bool:
        """After its end: whether the shell is fit for another script."""
        is_read = self._status == 0 and given.is_over and self._sent_bytes == given.size
        if self._status is None or (self._takes_input and not is_read):
            return False
        if self._takes_input:
            self._channel.settimeout(patience_seconds)
            try:
                self._channel.send(self._mark + b"\n")
            except (OSError, EOFError):
                return False
        return True

    def _take(self, nbytes: int) -> None:
        data = self._channel.recv(nbytes)
        self._raw += data
        self._is_cut = not data
        if not self.is_begun:
            before, self.is_begun, rest = _parted(self._raw, self._begin)
            self._raw = rest if self.is_begun else before
        if self.is_begun:
            self._split()
        if self._is_cut and self._status is None:
            self._ready, self._raw = self._ready + (self._raw if self.is_begun else b""), b""

    def _split(self) -> None:
        """Hold back what may be the mark."""
        said, found, rest = _parted(self._raw, self._end)
        if found and rest.endswith(b"\n"):
            self._ready, self._raw, self._status = self._ready + said, b"", int(rest)
            return
        kept = len(self._end) + len(rest) if found else _overlap(self._raw, self._end)
        cut = len(self._raw) - kept
        self._ready, self._raw = self._ready + self._raw[:cut], self._raw[cut:]


def _parted(data: bytes, mark: bytes) -> tuple[bytes, bool, bytes]:
    before, found, after = data.partition(mark)
    return before, bool(found), after


def _overlap(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of the data begin the mark."""
    return next((size for size in range(min(len(mark), len(data)), 0, -1) if data.endswith(mark[:size])), 0)
