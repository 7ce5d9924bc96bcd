"""One connection to a bastion, which carries the connections to many hosts behind it."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import ChannelException, SSHException

from pipelines.errors import PipelineError
from runners.hosts.ssh.connecting import BROKEN, DEFAULT_TIMEOUTS, Timeouts, end, sign_in
from runners.hosts.ssh.connection import Address, HostBusy, HostKey, HostUnreachable
from runners.hosts.ssh.signing import Identity

MOST_CHANNELS = 500  # through one connection
REST_SECONDS = 20.0  # so long nobody tries a bastion again that could not be entered
_FORBIDDEN = 1  # the server's reason for a channel that it does not open


@dataclass(frozen=True, slots=True)
class BastionAddress(Address):
    """So that every message about it says which of the two it means."""

    def __str__(self) -> str:
        return f"the bastion {Address.__str__(self)}"


class Bastion:
    """Its connection is opened when first needed, and anew whenever it is found broken; `say` is told that then.

    Safe to use from many threads. Its errors name the bastion: HostKeyUnknown, HostKeyChanged, AuthenticationRefused
    and HostUnreachable as of any host.
    """

    def __init__(
        self,
        address: BastionAddress,
        host_keys: Callable[[], Sequence[HostKey]],
        identity: Callable[[], Identity],
        say: Callable[[str], None],
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._address, self._host_keys, self._identity = address, host_keys, identity
        self._say, self._timeouts = say, timeouts
        self._turn = threading.Lock()
        self._transport: paramiko.Transport | None = None
        self._failure: tuple[float, PipelineError] | None = None
        self._channels: list[paramiko.Channel] = []
        self._closed = False

    @property
    def address(self) -> Address:
        return self._address

    def reach(self, address: Address) -> paramiko.Channel:
        """A way to that host, as the bastion sees it. Raises HostUnreachable, saying which of the two is silent."""
        for _ in range(2):
            transport = self._entered()
            try:
                return self._keep(self._channel(transport, address))
            except _Broken:
                self._drop(transport)
        raise HostUnreachable(f"{address}: {self._address} breaks the connection whenever it is used.")

    def enter(self) -> None:
        """Open its connection if there is none. Raises what keeps everybody from the hosts behind it."""
        self._entered()

    def close(self) -> None:
        """End the connection and all that go through it; never raises, never waits for one that is being opened."""
        self._closed = True
        if self._transport is not None:
            end(self._transport)

    def _entered(self) -> paramiko.Transport:
        with self._turn:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            self._refuse_to_hurry()
            if self._transport is not None:
                end(self._transport)
                self._say(f"the connection to {self._address} broke; opening it again")
            self._transport = None
            self._transport = self._enter()
            return self._transport

    def _refuse_to_hurry(self) -> None:
        """Two hundred hosts do not wait, one after the other, for the same dead bastion."""
        if self._closed:
            raise HostUnreachable(f"{self._address}: all connections are being closed.")
        if self._failure is not None:
            failed_at, error = self._failure
            if time.monotonic() < failed_at + REST_SECONDS:
                raise type(error)(str(error)) from error

    def _enter(self) -> paramiko.Transport:
        try:
            entered = sign_in(self._address, self._host_keys(), self._identity(), self._timeouts)
        except HostBusy:
            raise
        except PipelineError as error:
            self._failure = time.monotonic(), error
            raise
        self._failure = None
        if self._closed:
            end(entered)
            raise HostUnreachable(f"{self._address}: all connections are being closed.")
        return entered

    def _channel(self, transport: paramiko.Transport, address: Address) -> paramiko.Channel:
        """The bastion's own attempt may take minutes, so a timeout is asked about: which of the two is silent?"""
        place, nowhere = (address.host, address.port), ("127.0.0.1", 0)
        try:
            return transport.open_channel("direct-tcpip", place, nowhere, timeout=self._timeouts.connect)
        except ChannelException as error:
            raise self._not_opened(address, error) from error
        except BROKEN as error:
            if self._answers(transport):
                raise HostUnreachable(
                    f"{address}: {self._address} gets no connection to it within {self._timeouts.connect:g} s."
                    " Is the machine up, and its SSH port open to the bastion?"
                ) from error
            raise _Broken from error

    def _answers(self, transport: paramiko.Transport) -> bool:
        """A refusal is an answer too: many bastions give no session to anybody."""
        try:
            transport.open_session(timeout=self._timeouts.channel).close()
        except ChannelException:
            return True
        except BROKEN:
            return False
        return True

    def _not_opened(self, address: Address, error: ChannelException) -> HostUnreachable:
        if error.code == _FORBIDDEN:
            return HostUnreachable(
                f"{address}: {self._address} forbids connections to it: allow them in its sshd"
                " (AllowTcpForwarding, PermitOpen) and for our key (no `restrict`)."
            )
        return HostUnreachable(
            f"{address}: {self._address} cannot connect to it ({error.text})."
            " Is the machine up, and its SSH port open to the bastion?"
        )

    def _keep(self, channel: paramiko.Channel) -> paramiko.Channel:
        with self._turn:
            self._channels = [known for known in self._channels if not known.closed]
            if len(self._channels) < MOST_CHANNELS:
                self._channels.append(channel)
                return channel
        channel.close()
        raise HostBusy(f"{self._address} already carries {MOST_CHANNELS} connections for us.")

    def _drop(self, transport: paramiko.Transport) -> None:
        """Whoever else uses it notices, and whoever comes next opens another."""
        end(transport)


class _Broken(SSHException):
    """The bastion itself does not answer any more."""
