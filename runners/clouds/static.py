"""A fixed list of hosts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pipelines.deploys.inventories import HOST_KEYS, KEYS
from runners.clouds.inventory import (
    BadInventory,
    FoundHost,
    checked_address,
    refuse_unknown,
    settle,
    text_of,
)


@dataclass(frozen=True, slots=True)
class StaticList:
    """`{"hosts": [{"name": "web-1", "address": "10.0.0.4", "port": 22, "group": "blue"}, "10.0.0.5"]}`"""

    listed: tuple[FoundHost, ...]

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        refuse_unknown(settings, KEYS["static"])
        entries = settings.get("hosts", [])
        if not isinstance(entries, list):
            raise BadInventory("inventory: hosts has to be a list of addresses, or of {name, address}.")
        return cls(tuple(_parse(entry) for entry in entries))

    def hosts(self) -> tuple[FoundHost, ...]:
        return settle(self.listed, "the fixed list")


def _parse(entry: object) -> FoundHost:
    if isinstance(entry, str):
        entry = {"address": entry}
    if not isinstance(entry, dict):
        raise BadInventory(f"inventory: {entry!r} is neither an address nor {{name, address}}.")
    refuse_unknown(entry, HOST_KEYS)
    address = checked_address(text_of(entry, "address"), "inventory")
    name, group = text_of(entry, "name"), text_of(entry, "group")
    return FoundHost(name or address, address, "", _port(entry.get("port")), group)


def _port(value: object) -> int | None:
    if value is None or (isinstance(value, int) and 0 < value < 65536):
        return value
    raise BadInventory(f"inventory: port has to be a number from 1 to 65535, not {value!r}.")
