"""Paramiko's way from an address to a signed-in transport: reach, greet, verify the host's key, sign in."""

import base64
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import IncompatiblePeer, SSHException

from runners.hosts.ssh.connection import (
    Address,
    AuthenticationRefused,
    HostBusy,
    HostKey,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
)
from runners.hosts.ssh.signing import Agent, Identity, keys_of

Line = socket.socket | paramiko.Channel
Way = Callable[[Address], Line]  # raises HostUnreachable

BROKEN = (SSHException, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of talking to a host may take, in seconds."""

    connect: float = 10
    greeting: float = 15
    auth: float = 20
    channel: float = 10
    keepalive: int = 15
    # A silent host is asked on a second channel whether it still lives; keepalive never waits for an answer.
    probe: float = 10
    # Between TERM and KILL.
    grace: int = 5

    @property
    def dead(self) -> float:
        """How long a host may take nothing that is sent to it."""
        return self.probe + self.channel


DEFAULT_TIMEOUTS = Timeouts()


def sign_in(
    address: Address, host_keys: Sequence[HostKey], identity: Identity, timeouts: Timeouts, way: Way | None = None
) -> paramiko.Transport:
    """The host must show one of `host_keys` before we show anything of ours; errors as of `ssh.connect`."""
    transport, shown = greet(address, host_keys, timeouts, way)
    try:
        _verify(address, host_keys, shown)
        _authenticate(transport, address, identity)
    except BaseException:
        end(transport)
        raise
    transport.set_keepalive(timeouts.keepalive)
    return transport


def greet(
    address: Address, host_keys: Sequence[HostKey], timeouts: Timeouts, way: Way | None = None
) -> tuple[paramiko.Transport, HostKey]:
    """Connect up to where the host has proven to own the key that it shows."""
    line = way(address) if way else _reach(address, timeouts)
    transport = None
    try:
        transport = _negotiate(line, host_keys, timeouts)
        key = transport.get_remote_server_key()
    except BROKEN as error:
        if transport:
            transport.close()
        line.close()
        raise _not_greeted(address, error) from error
    return transport, HostKey(key.get_name(), base64.b64encode(key.asbytes()).decode())


class _Transport(paramiko.Transport):
    """Paramiko looks ten times a second whether there is anything to do: hundreds of idle ones take a whole core."""

    _active_check_timeout = 1.0


def end(transport: paramiko.Transport) -> None:
    with contextlib.suppress(*BROKEN):
        transport.sock.shutdown(socket.SHUT_RDWR)  # wakes its thread, which else sits for a second on what is closed
    transport.close()
    transport.sock.close()  # which paramiko leaves open if the other side was first


def _reach(address: Address, timeouts: Timeouts) -> socket.socket:
    try:
        sock = socket.create_connection((address.host, address.port), timeouts.connect)
    except ConnectionResetError as error:
        raise _not_greeted(address, error) from error
    except OSError as error:
        raise HostUnreachable(
            f"{address}: no connection: {error}. Is the machine up, and its SSH port open to us?"
        ) from error
    _tune(sock, timeouts)
    return sock


def _negotiate(line: Line, host_keys: Sequence[HostKey], timeouts: Timeouts) -> paramiko.Transport:
    transport = _Transport(line)
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
        milliseconds = int(timeouts.dead * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _prefer(transport: paramiko.Transport, host_keys: Sequence[HostKey]) -> None:
    """Ask for a key of a pinned type first, since a host may have several."""
    pinned = {key.type for key in host_keys}
    options = transport.get_security_options()

    def is_other(algorithm: str) -> bool:
        return ("ssh-rsa" if algorithm.startswith("rsa-") else algorithm) not in pinned

    options.key_types = sorted(options.key_types, key=is_other)
    options.ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)  # in hardware, with no second pass


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


def _authenticate(transport: paramiko.Transport, address: Address, identity: Identity) -> None:
    with keys_of(identity) as keys:
        for key in keys:
            if _takes(transport, address, key):
                return
        raise AuthenticationRefused(_refused(address, identity, keys))


def _takes(transport: paramiko.Transport, address: Address, key: paramiko.PKey) -> bool:
    try:
        left = transport.auth_publickey(address.user, key)
    except paramiko.AuthenticationException:
        return False
    except BROKEN as error:
        if "cannot be used for signing" in str(error):
            raise AuthenticationRefused(f"{address}: the SSH agent refuses to sign with {key.get_name()}.") from error
        raise HostBusy(f"{address}: the connection broke while signing in: {error}.") from error
    if left:
        raise AuthenticationRefused(f"{address}: the host also wants {', '.join(left)}, which we cannot give.")
    return True


def _refused(address: Address, identity: Identity, keys: Sequence[paramiko.PKey]) -> str:
    lines = "; ".join(f"{key.get_name()} {key.get_base64()}" for key in keys)
    where = f"~{address.user}/.ssh/authorized_keys"
    if isinstance(identity, Agent):
        return f"{address}: none of the SSH agent's keys is taken. Add one to {where}: {lines}"
    return f"{address}: our key is refused. Add it to {where}: {lines}"
