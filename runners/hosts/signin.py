"""Sign in to the hosts of an environment: where they are, which keys they may show, and with which key of ours."""

import logging
from collections.abc import Callable
from functools import cached_property

from pipelines.deploys import hostkeys
from pipelines.deploys.models import Credential, CredentialKind, Environment, Host, HostDeploy, HostKeyPolicy
from pipelines.errors import UserError
from runners.hosts.ssh.bastions import Bastion, BastionAddress
from runners.hosts.ssh.client import connect, load_key, scan_host_key
from runners.hosts.ssh.connecting import DEFAULT_TIMEOUTS, Timeouts, Way
from runners.hosts.ssh.connection import Address, Connection, HostKey
from runners.hosts.ssh.fleet import Fleet, Target
from runners.hosts.ssh.signing import Agent, Identity

logger = logging.getLogger(__name__)


class NoCredential(UserError):
    """The environment has no key to sign in to its hosts with."""


def fleet_of(environment: Environment, say: Callable[[str], None] = logger.warning) -> Fleet:
    """Lends connections to the environment's hosts, all of them through its bastion if it has one; `say` is told what
    a person should know of the way there, from any of the threads that connect."""
    entry = Entry(environment, say)
    return Fleet(entry.open, on_close=entry.close)


def target_of(environment: Environment, row: HostDeploy | Host, keys: hostkeys.ByPlace) -> Target:
    host = row.host if isinstance(row, HostDeploy) else row
    return target_at(environment, host.address, host.port, keys)


def target_at(environment: Environment, address: str, port: int | None, keys: hostkeys.ByPlace) -> Target:
    """`port` None: the environment's."""
    at = Address(address, port or environment.ssh_port, environment.ssh_user)
    return Target(at, _pinned(keys, at), bastion_of(environment))


def bastion_of(environment: Environment) -> BastionAddress | None:
    if not environment.bastion_address:
        return None
    user = environment.bastion_user or environment.ssh_user
    return BastionAddress(environment.bastion_address, environment.bastion_port, user)


class Entry:
    """The way into an environment's hosts, shared by all that is done there at one time. To be closed.

    `pins` False: a first key is taken for this once and written nowhere, for those who only look.
    """

    def __init__(
        self,
        environment: Environment,
        say: Callable[[str], None] = logger.warning,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        *,
        pins: bool = True,
    ) -> None:
        self._environment, self._timeouts, self._pins = environment, timeouts, pins
        at = bastion_of(environment)
        self.bastion = Bastion(at, self._bastion_keys, self._bastion_identity, say, timeouts) if at else None

    def open(self, target: Target) -> Connection:
        """A connection to that host; pins its first key if the environment's policy says so."""
        keys = self._known(target.address, target.host_keys, self._way)
        return connect(target.address, keys, self._identity, self._timeouts, self._way)

    def check(self) -> None:
        """Raise now what would keep us from every host: no key of ours, or a bastion that lets nobody in."""
        _ = self._identity
        if self.bastion is not None:
            self.bastion.enter()

    def scan(self, target: Target) -> HostKey:
        """The key that the host there shows, through the bastion, but for the bastion's own."""
        is_bastion = isinstance(target.address, BastionAddress)
        return scan_host_key(target.address, self._timeouts, None if is_bastion else self._way, target.host_keys)

    def close(self) -> None:
        if self.bastion is not None:
            self.bastion.close()

    @property
    def _way(self) -> Way | None:
        return self.bastion.reach if self.bastion else None

    @cached_property
    def _identity(self) -> Identity:
        return identity_of(self._environment, self._environment.credential)

    def _bastion_identity(self) -> Identity:
        given = self._environment.bastion_credential
        return identity_of(self._environment, given) if given is not None else self._identity

    def _bastion_keys(self) -> tuple[HostKey, ...]:
        assert self.bastion is not None
        at = self.bastion.address
        return self._known(at, _pinned(hostkeys.by_place(self._environment), at), None)

    def _known(self, address: Address, pinned: tuple[HostKey, ...], way: Way | None) -> tuple[HostKey, ...]:
        """The host's pinned keys: what it shows when it is met first, and from then on what was pinned, also when the
        connection breaks and is opened anew within the same deploy."""
        if pinned or self._environment.host_key_policy != HostKeyPolicy.FIRST_USE:
            return pinned
        shown = scan_host_key(address, self._timeouts, way)
        if not self._pins:
            return (shown,)
        place = self._environment, address.host, address.port
        key = hostkeys.pin_first(*place, shown.type, shown.base64, shown.fingerprint)
        return (HostKey(key.key_type, key.public_key),)


def identity_of(environment: Environment, credential: Credential | None) -> Identity:
    if credential is None:
        raise NoCredential(f"{environment} has no SSH credential: choose one for it in the admin pages.")
    if credential.kind == CredentialKind.AGENT:
        return Agent(credential.public_key)
    return load_key(credential.private_key)


def _pinned(keys: hostkeys.ByPlace, at: Address) -> tuple[HostKey, ...]:
    return tuple(HostKey(key.key_type, key.public_key) for key in keys.get((at.host, at.port), []))
