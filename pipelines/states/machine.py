"""Which moves between statuses a kind of record allows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.states.status import FINAL, Status


class IllegalMove(Exception):
    """A move that the table does not have was asked for: a mistake in our code."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A frozen table of allowed moves; a final status has no way out."""

    name: str
    moves: Mapping[Status, frozenset[Status]]

    def check(self, old: str, new: str) -> None:
        if Status(new) not in self.moves.get(Status(old), frozenset()):
            raise IllegalMove(f"a {self.name} cannot go from {old} to {new}")


def machine(name: str, moves: Mapping[Status, Iterable[Status]]) -> Machine:
    table = {old: frozenset(new) for old, new in moves.items()}
    if leaving := FINAL & table.keys():
        raise IllegalMove(f"{name}: {', '.join(sorted(leaving))} is final and has no way out")
    return Machine(name, table)
