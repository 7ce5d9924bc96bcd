"""Pure: who may enter a concurrency group, and who has to make room in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group: a run or a stage. `order` is when they came; `holds`: they are in already.

    `has_come`: they stand at the door or are in. One that has not still keeps its place in the order, as a later deploy
    must not go before an earlier one.
    """

    id: int
    order: tuple[int, ...]
    limit: int = 1
    cancel: str = "none"
    holds: bool = False
    has_come: bool = True
    number: int = 0


def ahead(members: Iterable[Member]) -> dict[int, int]:
    """Id of each that has to wait → how many have to leave before it may enter."""
    members = list(members)
    inside = sum(one.holds for one in members)
    waiting = sorted((one for one in members if not one.holds), key=lambda one: one.order)
    waits = {one.id: inside + place - one.limit + 1 for place, one in enumerate(waiting)}
    return {member_id: wait for member_id, wait in waits.items() if wait > 0}


def superseded(members: Iterable[Member]) -> Mapping[int, int]:
    """Id of each that has to go → the number of the run whose coming wants it so; those of one run spare each other."""
    members = list(members)
    gone: dict[int, int] = {}
    for newcomer in sorted((m for m in members if m.has_come and m.cancel != "none"), key=lambda m: m.order):
        for one in members:
            if one.number < newcomer.number and (newcomer.cancel == "running" or not one.holds):
                gone[one.id] = newcomer.number
    return gone
