"""The door to paramiko, with `connecting`, `signing` and `bastions`: what is done over one open connection."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import paramiko
from paramiko.ssh_exception import ChannelException

from runners.hosts.ssh.connecting import BROKEN, DEFAULT_TIMEOUTS, Timeouts, Way, end, greet, sign_in
from runners.hosts.ssh.connection import (
    DEFAULT_OUTPUT_CAP_BYTES,
    Address,
    CommandNotStarted,
    CommandResult,
    ConnectionLost,
    HostKey,
    StillRunning,
    discard,
    never,
)
from runners.hosts.ssh.pump import Channel, Feed, Limits, RemoteCommand, Watch
from runners.hosts.ssh.sessions import SessionOutput, end_session, new_token, start_session
from runners.hosts.ssh.shell import START as SHELL
from runners.hosts.ssh.shell import SharedShell, ShellGone
from runners.hosts.ssh.signing import Identity, load_key

__all__ = ["SSHConnection", "Timeouts", "connect", "load_key", "scan_host_key"]

# sshd allows ten sessions on one connection by default (MaxSessions): one is the shell, seven work, two are kept for
# killing.
WORKING_CHANNELS = 7
RESCUE_CHANNELS = 2
REFUSED_SECONDS = 10.0  # so long a refused session is asked for again


# It logs a traceback for every host that does not answer; our own errors say it in a sentence.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def scan_host_key(
    address: Address,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    way: Way | None = None,
    known: Sequence[HostKey] = (),
) -> HostKey:
    """A host's key, without signing in; of several, one of a kind that is known already. It proves nothing: a person
    has to compare the fingerprint."""
    transport, key = greet(address, known, timeouts, way)
    end(transport)
    return key


def connect(
    address: Address,
    host_keys: Sequence[HostKey],
    identity: Identity,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    way: Way | None = None,
) -> "SSHConnection":
    """Open a connection; the host must show one of `host_keys` before we show anything of ours. `way` is how it is
    reached when not directly: through a bastion.

    Raises HostUnreachable (HostBusy if another try may help), HostKeyUnknown, HostKeyChanged, AgentUnusable or
    AuthenticationRefused. Ends within the sum of the first three timeouts.
    """
    return SSHConnection(address, sign_in(address, host_keys, identity, timeouts, way), timeouts)


class SSHConnection:
    """A Connection over one paramiko transport."""

    def __init__(self, address: Address, transport: paramiko.Transport, timeouts: Timeouts) -> None:
        self._address = address
        self._transport = transport
        self._timeouts = timeouts
        self._shell = SharedShell(address, self._shell_channel, self._finish, timeouts.channel)
        self._working = threading.BoundedSemaphore(WORKING_CHANNELS)
        self._rescue = threading.BoundedSemaphore(RESCUE_CHANNELS)

    @property
    def address(self) -> Address:
        return self._address

    @property
    def is_alive(self) -> bool:
        return self._transport.is_active()

    def close(self) -> None:
        end(self._transport)

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
        limits = Limits(deadline_seconds, silence_seconds, cancelled)
        output = SessionOutput(new_token(), output_cap_bytes, on_output)
        if in_shell:
            try:
                return self._shell.run(command, output, limits, stdin)
            except ShellGone as gone:
                stdin = stdin if gone.left is None else gone.left
        with self._slot(self._working, limits), self._session() as channel:
            self._execute(channel, start_session(command, output.token))
            return self._finish(channel, output, limits, stdin)

    def _finish(self, channel: Channel, output: SessionOutput, limits: Limits, stdin: Iterable[bytes]) -> CommandResult:
        watch = Watch(self.close, limits.deadline_seconds, self._timeouts.dead)
        with watch if stdin else contextlib.nullcontext():
            return RemoteCommand(self, channel, output, limits, Feed(stdin, watch), self._timeouts.probe).finish()

    @contextlib.contextmanager
    def _shell_channel(self) -> Iterator[Channel]:
        with self._session() as channel:
            self._execute(channel, SHELL)
            yield channel

    def probe(self) -> None:
        """Prove that the host still answers. Raises ConnectionLost."""
        with contextlib.suppress(_ChannelRefused):
            limits = Limits(self._timeouts.channel, None, never)
            with self._slot(self._rescue, limits), self._session():
                pass

    def end(self, session_id: int) -> None:
        """Kill a session and prove it gone. Raises StillRunning, with the pids that are left."""
        try:
            status, text = self._ask(end_session(session_id, self._timeouts.grace))
        except (*BROKEN, ConnectionLost) as error:
            raise StillRunning(
                f"{self._address}: session {session_id} may still run; the host could not be asked: {error}"
            ) from error
        if status != 0:
            raise StillRunning(f"{self._address}: session {session_id} did not end: {text}")

    def _ask(self, line: str) -> tuple[int, str]:
        """Run one short line of our own on a reserved channel."""
        with self._slot(self._rescue, Limits(60, None, never)), self._session() as channel:
            self._execute(channel, line)
            channel.settimeout(self._timeouts.grace + 10 + self._timeouts.channel)
            text = b""
            while data := channel.recv(4096):
                text += data
            return channel.recv_exit_status(), text.decode(errors="replace").strip()

    @contextlib.contextmanager
    def _slot(self, slots: threading.BoundedSemaphore, limits: Limits) -> Iterator[None]:
        while not slots.acquire(timeout=0.2):
            if stop := limits.broken():
                raise stop.error(f"{self._address}: waiting for a free session")
        try:
            yield
        finally:
            slots.release()

    @contextlib.contextmanager
    def _session(self) -> Iterator[paramiko.Channel]:
        try:
            channel = self._opened()
        except ChannelException as error:
            raise _ChannelRefused(f"{self._address}: the host opens no further session: {error}.") from error
        except BROKEN as error:
            self.close()
            raise ConnectionLost(f"{self._address}: the host does not answer any more: {error}.") from error
        try:
            yield channel
        finally:
            with contextlib.suppress(*BROKEN):
                channel.close()

    def _opened(self) -> paramiko.Channel:
        """A session that has ended counts until the host has reaped it, so that a refusal may be over in a moment."""
        until = time.monotonic() + REFUSED_SECONDS
        while True:
            try:
                return self._transport.open_session(timeout=self._timeouts.channel)
            except ChannelException:
                self._shell.rest()
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _execute(self, channel: paramiko.Channel, line: str) -> None:
        try:
            with self._answering(channel):
                channel.set_combine_stderr(True)
                channel.exec_command(line)
        except BROKEN as error:
            if self.is_alive and str(error) == "Channel closed.":
                raise CommandNotStarted(f"{self._address}: the host runs no commands for us.") from error
            raise ConnectionLost(f"{self._address}: the host did not start a command: {error}.") from error

    @contextlib.contextmanager
    def _answering(self, channel: paramiko.Channel) -> Iterator[None]:
        """Paramiko waits for ever for the answer to a channel request; a frozen host never gives one."""
        timer = threading.Timer(self._timeouts.channel, self.close)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class _ChannelRefused(ConnectionLost):
    """The host takes no further session on this connection (MaxSessions)."""
