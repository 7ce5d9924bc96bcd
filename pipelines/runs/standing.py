"""Pure: how a ref stands, by its newest commit: a rerun of an older one says nothing of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from pipelines.states.status import BAD, Status

VERDICTS = (Status.SUCCEEDED, *sorted(BAD))


class Numbered(Protocol):
    """A run; `since` is the number of the first run of a rerun, else its own."""

    @property
    def number(self) -> int: ...
    @property
    def since(self) -> int: ...
    @property
    def sha(self) -> str: ...


R = TypeVar("R", bound=Numbered)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a run of a ref."""

    number: int
    since: int
    sha: str
    status: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_rerun(self) -> bool:
        return self.since not in (0, self.number)

    def had_verdict(self, at: datetime) -> bool:
        return self.status in VERDICTS and self.finished_at is not None and self.finished_at <= at


def by_commit(runs: Iterable[R]) -> list[R]:
    """In the order in which their commits came, those of one commit as they were started."""
    found = sorted(runs, key=lambda run: run.number)
    if all(run.since in (0, run.number) for run in found):  # no rerun among them: the usual case
        return found
    return [run for _, run in _placed(found)]


def around(number: int, at: datetime, runs: Iterable[Past]) -> tuple[str | None, bool]:
    """What the ref's verdict was before that run had its own at that moment, None without any; and whether a later one
    was there already, or a later commit, which a rerun does not speak for. `runs` are the newest of the ref."""
    placed = _placed(run for run in runs if run.created_at <= at)
    mine = next((place for place, (_, run) in enumerate(placed) if run.number == number), None)
    if mine is None:  # so much has come since that it is not among the newest
        return None, True
    before = [run for _, run in placed[:mine] if run.had_verdict(at) and _speaks(run, placed)]
    is_overtaken = any(run.had_verdict(at) for _, run in placed[mine + 1 :]) or not _speaks(placed[mine][1], placed, at)
    return (before[-1].status if before else None), is_overtaken


def _speaks(run: Past, placed: Sequence[tuple[int, Past]], at: datetime | None = None) -> bool:
    """Whether it counts for the ref: a rerun does when no later commit had come by its end."""
    end = at or run.finished_at
    if not run.is_rerun or end is None:
        return True
    arrival = next(arrival for arrival, one in placed if one is run)
    return not any(other > arrival and one.created_at <= end for other, one in placed)


def _placed(runs: Iterable[R]) -> list[tuple[int, R]]:
    """With the number of the run by which the commit came last until then."""
    arrived: dict[str, int] = {}
    placed: list[tuple[int, R]] = []
    for run in sorted(runs, key=lambda one: one.number):
        first = run.since or run.number
        arrived[run.sha] = max(arrived.get(run.sha, first), first) if run.sha else first
        placed.append((arrived[run.sha], run))
    return sorted(placed, key=lambda pair: (pair[0], pair[1].number))
