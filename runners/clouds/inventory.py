"""The seam to whatever lists an environment's hosts."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipelines.deploys.inventories import HOST_NAME
from pipelines.errors import SystemFault, UserError

# Characters, as the record of a host has room for them.
_MOST = {"name": 150, "address": 255, "external_id": 100, "group": 60}
_SHOWN = 60


class BadInventory(UserError):
    """The inventory's settings cannot be read; they are mended in the environment's form in the admin pages."""


class NoHosts(UserError):
    """The inventory lists nobody; deploying to nobody would look like a success."""


class InventoryRefused(UserError):
    """The cloud said no: wrong credentials, a missing permission, or a filter it does not take."""


class InventoryFailed(SystemFault):
    """The cloud could not be asked, or did not answer in time; try again."""


@dataclass(frozen=True, slots=True)
class FoundHost:
    """A machine as the inventory lists it now; `name` is unique in an answer, `port` None is the usual one, `group`
    says which of two host groups it belongs to, empty where there are none."""

    name: str
    address: str
    external_id: str = ""
    port: int | None = None
    group: str = ""


class InventorySource(Protocol):
    """One place that lists hosts."""

    def hosts(self) -> tuple[FoundHost, ...]:
        """The machines that are up now, by name; all of them or an error, never a part.

        Raises NoHosts rather than return nothing, InventoryRefused if settings or rights are wrong,
        InventoryFailed if the cloud could not be asked. Ends within a minute.
        """
        ...


def settle(found: Sequence[FoundHost], where: str) -> tuple[FoundHost, ...]:
    """What every source ends with: refuse nobody, doubles and what is no name, make names unique, order by name."""
    if not found:
        raise NoHosts(f"{where} lists no running host: check its filters, and the machines.")
    doubles = _repeated([f"{host.address}:{host.port or ''}" for host in found])
    if doubles:
        raise BadInventory(f"{where} lists {doubles[0].rstrip(':')} twice.")
    named = [_with_own_name(host, found) for host in found]
    if names := _repeated([host.name for host in named]):
        raise BadInventory(f"{where} lists two hosts called {names[0]}: give them names of their own.")
    for host in named:
        _refuse_strange(host, where)
    return tuple(sorted(named, key=lambda host: (_natural(host.name), host.external_id)))


def _with_own_name(host: FoundHost, found: Sequence[FoundHost]) -> FoundHost:
    if sum(other.name == host.name for other in found) == 1:
        return host
    return replace(host, name=f"{host.name}-{host.external_id or host.address}")


def _refuse_strange(host: FoundHost, where: str) -> None:
    """Names come from tags, which anybody who may write tags has written."""
    for what, most in _MOST.items():
        value = getattr(host, what)
        if len(value) > most or not value.isprintable():
            shown = repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
            raise BadInventory(
                f"{where} lists a host whose {what.replace('_', ' ')} is {shown}: it may have {most} characters,"
                " all of them printable."
            )


def _repeated(values: Sequence[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """web-2 before web-10."""
    parts = [part for part in re.split(r"([0-9]+)", name) if part]
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts]


def checked_address(value: str, where: str) -> str:
    """A host name or IP address; anything else, an option for ssh say, is refused."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if HOST_NAME.match(value):
            return value
    raise BadInventory(f"{where}: {value!r} is neither a host name nor an IP address.")


def text_of(settings: Mapping[str, Any], key: str, default: str = "") -> str:
    """A setting that has to be text."""
    value = settings.get(key, default)
    if not isinstance(value, str):
        raise BadInventory(f"inventory: {key} has to be text, not {value!r}.")
    return value.strip()


def refuse_unknown(settings: Mapping[str, Any], known: Sequence[str]) -> None:
    """A misspelt key must not silently widen a filter."""
    if unknown := sorted(set(settings) - set(known)):
        raise BadInventory(f"inventory: unknown key {', '.join(unknown)}; known are {', '.join(known)}.")
