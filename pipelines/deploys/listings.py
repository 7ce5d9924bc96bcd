"""Pure: what an inventory's answer changes against the hosts that are known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """One word a change."""

    NEW = "new"
    GONE = "gone"
    MOVED = "moved"  # the same name at another address or port
    REGROUPED = "regrouped"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host is, as one listing says."""

    address: str
    port: int | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """`before` is where it was, or which group it was in; empty for a new one."""

    name: str
    what: What
    before: str = ""


def compare(known: Mapping[str, Place], found: Mapping[str, Place]) -> list[Change]:
    """By name, those that are gone last."""
    changes = [change for name, place in found.items() for change in _of(name, known.get(name), place)]
    gone = [Change(name, What.GONE, _at(place)) for name, place in known.items() if name not in found]
    return changes + gone


def _of(name: str, before: Place | None, now: Place) -> Iterable[Change]:
    if before is None:
        yield Change(name, What.NEW)
        return
    if (before.address, before.port) != (now.address, now.port):
        yield Change(name, What.MOVED, _at(before))
    if before.group != now.group:
        yield Change(name, What.REGROUPED, before.group or "none")


def _at(place: Place) -> str:
    return f"{place.address}:{place.port}" if place.port else place.address
