"""The seam to whatever sends users' requests to hosts."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipelines.errors import SystemFault, UserError

DRAIN_SECONDS = 30.0
ATTACH_SECONDS = 30.0

Say = Callable[[str], None]
"""Takes a line for the host's log."""

Run = Callable[[str, str, float], str]
"""Runs a command on the host (command, what it is for, deadline in seconds) and gives what it printed; raises the
errors of the connection when it cannot, or when the command ends with another status than 0."""

_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,200}\Z")


class BadBalancer(UserError):
    """The balancer's settings cannot be read; they are mended in the environment's form in the admin pages."""


class UnknownServer(UserError):
    """The balancer has no server of that name: its configuration and the inventory do not agree."""


class BalancerRefused(UserError):
    """The balancer, or the cloud that it is part of, said no."""


class BalancerFailed(SystemFault):
    """The balancer could not be asked, or its answer was not understood; try again."""


def _no_way_in(command: str, what: str, deadline_seconds: float) -> str:
    raise BadBalancer(f"{what}: no connection to the host was given")


@dataclass(frozen=True, slots=True)
class Server:
    """A host as balancers are told of it. `port` None: where it served until now; `external_id`: the cloud's name."""

    name: str
    address: str
    external_id: str = ""
    group: str = ""
    port: int | None = None
    run: Run = _no_way_in


@dataclass(frozen=True, slots=True)
class State:
    """How a server stands: whether it gets new requests, and whether all that it had are gone; None: nobody can tell.

    `load` says what is open, such as `7 connections open`, `status` what the balancer itself calls its state.
    `on_trust`: it gets requests, and the balancer has not yet asked it whether it is well.
    """

    serving: bool | None
    drained: bool | None
    load: str = ""
    status: str = ""
    on_trust: bool = False


class Balancer(Protocol):
    """One balancer. Every verb may be repeated, and called by several threads at once; each line that it says is one
    that a person could have typed. All raise UnknownServer for a server that the balancer does not have,
    BalancerRefused when it says no, BalancerFailed when it does not answer; none takes longer than half a minute."""

    @property
    def label(self) -> str:
        """What people call it, such as `haproxy backend shop`."""
        ...

    @property
    def drain_seconds(self) -> float:
        """How long open requests are waited for."""
        ...

    @property
    def attach_seconds(self) -> float:
        """How long a server may take until the balancer finds it healthy."""
        ...

    @property
    def poll_seconds(self) -> float:
        """How often it may be asked for a state."""
        ...

    def name_of(self, server: Server) -> str:
        """What this balancer calls the server, such as `shop/web-2`."""
        ...

    def state(self, server: Server) -> State:
        """How it stands now; changes nothing."""
        ...

    def serving(self) -> frozenset[str] | None:
        """What it calls the servers that get new requests now; None when it cannot tell."""
        ...

    def drain(self, server: Server, say: Say) -> None:
        """No new requests to it from now on; those that are open go on. Does not wait for them."""
        ...

    def park(self, server: Server, say: Say) -> None:
        """Nothing at all to it any more, whoever asks; called when its requests are gone or their time is over."""
        ...

    def prepare(self, server: Server, say: Say) -> None:
        """Get ready to attach it, at its port, but give it no requests yet: a group before the flip. This and `attach`
        make a new server known where the balancer lets one."""
        ...

    def attach(self, server: Server, say: Say) -> None:
        """New requests to it again, at its port if one is given. Does not wait until it is found healthy."""
        ...

    def narrow(self, server: Server, say: Say) -> bool:
        """It serves at its port: no requests to it at any other from now on. True once those that were open there are
        gone."""
        ...

    def forget(self, server: Server, say: Say) -> None:
        """The host is gone for good, and was drained before; one that is not known any more is no error."""
        ...

    def flip(self, come: Sequence[Server], go: Sequence[Server], say: Say) -> None:
        """All of `come` in and then all of `go` drained, in one go; nothing has changed if it raises UnknownServer."""
        ...


def named(template: str, server: Server) -> str:
    """The balancer's name of a server: `{host}`, `{address}`, `{group}` and `{id}` are filled in."""
    facts = {"host": server.name, "address": server.address, "group": server.group, "id": server.external_id}
    name = re.sub(r"\{(\w+)\}", lambda found: facts.get(found[1], found[0]), template)
    if not _NAME.match(name):
        raise BadBalancer(
            f"the balancer's name of {server.name} would be {name!r}: only letters, digits and . _ : - may be in it."
        )
    return name


def refuse_unknown(settings: Mapping[str, Any], known: Sequence[str]) -> None:
    """A misspelt key must not silently change how users are kept from a host."""
    if unknown := sorted(set(settings) - set(known)):
        raise BadBalancer(f"balancer: unknown key {', '.join(unknown)}; known are {', '.join(known)}.")


def text_of(settings: Mapping[str, Any], key: str, default: str = "") -> str:
    """A setting that has to be text."""
    value = settings.get(key, default)
    if not isinstance(value, str):
        raise BadBalancer(f"balancer: {key} has to be text, not {value!r}.")
    return value.strip()


def required(settings: Mapping[str, Any], key: str, example: str) -> str:
    """A setting that has to be there."""
    value = text_of(settings, key)
    if not value:
        raise BadBalancer(f"balancer: {key} is missing; write one like {example}.")
    return value


def seconds_of(settings: Mapping[str, Any], key: str, default: float) -> float:
    """A time from 0 seconds to an hour."""
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise BadBalancer(f"balancer: {key} has to be a number of seconds from 0 to 3600, not {value!r}.")
    return float(value)
