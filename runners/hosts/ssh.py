"""The door to paramiko: connections to hosts, their keys, and the keys that we sign in with."""

import base64
import contextlib
import io
import logging
import re
import secrets
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import paramiko
from paramiko.ssh_exception import ChannelException, IncompatiblePeer, SSHException

from runners.hosts.connection import (
    DEFAULT_OUTPUT_CAP_BYTES,
    Address,
    AuthenticationRefused,
    BadPrivateKey,
    CommandNotStarted,
    CommandResult,
    ConnectionLost,
    HostBusy,
    HostKey,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    StillRunning,
    UploadFailed,
    discard,
    never,
)
from runners.hosts.pump import Limits, RemoteCommand, Stop, Watch, send_file
from runners.hosts.sessions import SessionOutput, end_session, new_token, start_session

# sshd allows ten sessions on one connection by default (MaxSessions): eight work, two are kept for killing.
WORKING_CHANNELS = 8
RESCUE_CHANNELS = 2
REFUSED_SECONDS = 3.0  # so long a refused session is asked for again


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of talking to a host may take, in seconds."""

    connect: float = 10
    greeting: float = 15
    auth: float = 20
    channel: float = 15
    keepalive: int = 15
    # A silent host is asked on a second channel whether it still lives; keepalive never waits for an answer.
    probe: float = 30
    # Between TERM and KILL.
    grace: int = 5


DEFAULT_TIMEOUTS = Timeouts()

# It logs a traceback for every host that does not answer; our own errors say it in a sentence.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_BROKEN = (SSHException, EOFError, OSError)


def load_key(private_key: str) -> paramiko.PKey:
    """Read a private key from its text: Ed25519, ECDSA or RSA. Raises BadPrivateKey."""
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(private_key.strip() + "\n"))
        except paramiko.PasswordRequiredException as error:
            raise BadPrivateKey("The private key is encrypted: store one without a passphrase.") from error
        except (SSHException, ValueError, IndexError, AttributeError):
            continue
    raise BadPrivateKey(
        "The private key cannot be read: paste the whole OpenSSH or PEM text of an Ed25519, ECDSA or RSA key"
        " without a passphrase."
    )


def scan_host_key(address: Address, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> HostKey:
    """A host's key, without signing in. It proves nothing: a person has to compare the fingerprint."""
    transport, key = _greet(address, (), timeouts)
    transport.close()
    return key


def connect(
    address: Address,
    host_keys: Sequence[HostKey],
    key: paramiko.PKey,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> "SSHConnection":
    """Open a connection; the host must show one of `host_keys` before we show anything of ours.

    Raises HostUnreachable (HostBusy if another try may help), HostKeyUnknown, HostKeyChanged or
    AuthenticationRefused. Ends within the sum of the first three timeouts.
    """
    transport, shown = _greet(address, host_keys, timeouts)
    try:
        _verify(address, host_keys, shown)
        _authenticate(transport, address, key)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(timeouts.keepalive)
    return SSHConnection(address, transport, timeouts)


def _greet(address: Address, host_keys: Sequence[HostKey], timeouts: Timeouts) -> tuple[paramiko.Transport, HostKey]:
    """Connect up to where the host has proven to own the key that it shows."""
    sock = _reach(address, timeouts)
    transport = None
    try:
        transport = _negotiate(sock, host_keys, timeouts)
        key = transport.get_remote_server_key()
    except _BROKEN as error:
        if transport:
            transport.close()
        sock.close()
        raise _not_greeted(address, error) from error
    return transport, HostKey(key.get_name(), base64.b64encode(key.asbytes()).decode())


def _reach(address: Address, timeouts: Timeouts) -> socket.socket:
    try:
        return socket.create_connection((address.host, address.port), timeouts.connect)
    except ConnectionResetError as error:
        raise _not_greeted(address, error) from error
    except OSError as error:
        raise HostUnreachable(
            f"{address}: no connection: {error}. Is the machine up, and its SSH port open to us?"
        ) from error


def _negotiate(sock: socket.socket, host_keys: Sequence[HostKey], timeouts: Timeouts) -> paramiko.Transport:
    _tune(sock, timeouts)
    transport = paramiko.Transport(sock)
    transport.banner_timeout = timeouts.greeting
    transport.auth_timeout = timeouts.auth
    transport.channel_timeout = timeouts.channel
    _prefer(transport, host_keys)
    try:
        # At its timeout this returns as if all were well; the caller then finds no key.
        transport.start_client(timeout=timeouts.greeting + 1)
    except BaseException:
        transport.close()
        raise
    return transport


def _tune(sock: socket.socket, timeouts: Timeouts) -> None:
    """Our packets are short and awaited: not held back (40 ms a command). A machine that vanished is noticed."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = int((timeouts.probe + timeouts.channel) * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _prefer(transport: paramiko.Transport, host_keys: Sequence[HostKey]) -> None:
    """Ask for a key of a pinned type first, since a host may have several."""
    pinned = {key.type for key in host_keys}
    options = transport.get_security_options()

    def is_other(algorithm: str) -> bool:
        return ("ssh-rsa" if algorithm.startswith("rsa-") else algorithm) not in pinned

    options.key_types = sorted(options.key_types, key=is_other)


def _not_greeted(address: Address, error: Exception) -> HostUnreachable:
    dropped = (EOFError, ConnectionResetError, BrokenPipeError)
    if isinstance(error, dropped) or isinstance(error.__context__, dropped):
        return HostBusy(f"{address}: the SSH server closed the connection before greeting us.")
    if isinstance(error, IncompatiblePeer):
        return HostUnreachable(f"{address}: its SSH server is too old for us: {error}.")
    return HostUnreachable(f"{address}: accepts connections, but no SSH greeting came: {error or 'timed out'}.")


def _verify(address: Address, pinned: Sequence[HostKey], shown: HostKey) -> None:
    if not pinned:
        raise HostKeyUnknown(
            f"{address}: no key is pinned for {address.pin_name}. It shows {shown.type} {shown.fingerprint};"
            " compare that on the machine itself, then accept it on the environment's page."
        )
    if shown not in pinned:
        known = ", ".join(key.fingerprint for key in pinned)
        raise HostKeyChanged(
            f"{address}: the host key has CHANGED. Pinned: {known}; shown: {shown.type} {shown.fingerprint}."
            " If the machine was rebuilt, accept the new key; if not, somebody may be in between."
        )


def _authenticate(transport: paramiko.Transport, address: Address, key: paramiko.PKey) -> None:
    try:
        left = transport.auth_publickey(address.user, key)
    except paramiko.AuthenticationException as error:
        raise AuthenticationRefused(
            f"{address}: our key is refused. Add it to ~{address.user}/.ssh/authorized_keys:"
            f" {key.get_name()} {key.get_base64()}"
        ) from error
    except _BROKEN as error:
        raise HostBusy(f"{address}: the connection broke while signing in: {error}.") from error
    if left:
        raise AuthenticationRefused(f"{address}: the host also wants {', '.join(left)}, which we cannot give.")


class SSHConnection:
    """A Connection over one paramiko transport."""

    def __init__(self, address: Address, transport: paramiko.Transport, timeouts: Timeouts) -> None:
        self._address = address
        self._transport = transport
        self._timeouts = timeouts
        self._working = threading.BoundedSemaphore(WORKING_CHANNELS)
        self._rescue = threading.BoundedSemaphore(RESCUE_CHANNELS)

    @property
    def address(self) -> Address:
        return self._address

    @property
    def is_alive(self) -> bool:
        return self._transport.is_active()

    def close(self) -> None:
        self._transport.close()
        self._transport.sock.close()  # which paramiko leaves open if the other side was first

    def run(
        self,
        command: str,
        *,
        deadline_seconds: float,
        silence_seconds: float | None = None,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] = discard,
        cancelled: Callable[[], bool] = never,
        output_cap_bytes: int = DEFAULT_OUTPUT_CAP_BYTES,
    ) -> CommandResult:
        limits = Limits(deadline_seconds, silence_seconds, cancelled)
        output = SessionOutput(new_token(), output_cap_bytes, on_output)
        with self._slot(self._working, limits), self._session() as channel:
            self._execute(channel, start_session(command, output.token))
            return RemoteCommand(self, channel, output, limits, stdin, self._timeouts.probe).finish()

    def put(
        self,
        source: BinaryIO,
        path: str,
        *,
        mode: int,
        deadline_seconds: float,
        cancelled: Callable[[], bool] = never,
    ) -> int:
        limits = Limits(deadline_seconds, None, cancelled)
        temporary = f"{path}.slipway-{secrets.token_hex(4)}"
        with self._slot(self._working, limits), self._session() as channel:
            sftp = self._start_sftp(channel)
            try:
                with Watch(self.close, deadline_seconds, self._timeouts.probe) as watch:
                    size = send_file(sftp, source, temporary, mode, limits, watch)
                    sftp.posix_rename(temporary, path)
            except Stop as stop:
                _forget(sftp, temporary)
                raise stop.error(f"{self._address}: sending {path}") from None
            except _BROKEN as error:
                raise self._not_put(sftp, temporary, path, error) from error
        return size

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
        except (*_BROKEN, ConnectionLost) as error:
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
        except _BROKEN as error:
            self.close()
            raise ConnectionLost(f"{self._address}: the host does not answer any more: {error}.") from error
        try:
            yield channel
        finally:
            with contextlib.suppress(*_BROKEN):
                channel.close()

    def _opened(self) -> paramiko.Channel:
        """A session that has ended counts until the host has reaped it, so that a refusal may be over in a moment."""
        until = time.monotonic() + REFUSED_SECONDS
        while True:
            try:
                return self._transport.open_session(timeout=self._timeouts.channel)
            except ChannelException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _execute(self, channel: paramiko.Channel, line: str) -> None:
        try:
            with self._answering(channel):
                channel.set_combine_stderr(True)
                channel.exec_command(line)
        except _BROKEN as error:
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

    def _start_sftp(self, channel: paramiko.Channel) -> paramiko.SFTPClient:
        try:
            with self._answering(channel):
                channel.invoke_subsystem("sftp")
                return paramiko.SFTPClient(channel)
        except _BROKEN as error:
            if not self.is_alive:
                raise ConnectionLost(f"{self._address}: the host stopped answering: {error}.") from error
            raise UploadFailed(
                f"{self._address}: the host offers no SFTP ({error}); its sshd needs a `Subsystem sftp` line."
            ) from error

    def _not_put(
        self, sftp: paramiko.SFTPClient, temporary: str, path: str, error: Exception
    ) -> UploadFailed | ConnectionLost:
        if not self.is_alive or isinstance(error, (TimeoutError, EOFError)):
            return ConnectionLost(f"{self._address}: the connection broke while sending {path}: {error}.")
        space = self._free_space(path.rpartition("/")[0])
        _forget(sftp, temporary)
        return UploadFailed(f"{self._address}: could not write {path}: {error}. {space}")

    def _free_space(self, directory: str) -> str:
        """Asked before the partial file is removed, so that a full disk shows."""
        try:
            status, text = self._ask(f"df -Pk {shlex.quote(directory)}")
        except (*_BROKEN, ConnectionLost):
            return "Its free space could not be asked."
        kilobytes = re.search(r"(\d+)\s+\d+%\s+(/\S*)\s*$", text)
        if status != 0 or not kilobytes:
            return f"Is the directory there? {text}"
        return f"Its disk has {int(kilobytes[1]) // 1024} MiB free on {kilobytes[2]}."


class _ChannelRefused(ConnectionLost):
    """The host takes no further session on this connection (MaxSessions)."""


def _forget(sftp: paramiko.SFTPClient, temporary: str) -> None:
    with contextlib.suppress(*_BROKEN):
        sftp.remove(temporary)
