"""Pure: in which portions the hosts are taken, and when there were too many failures."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median
from typing import TypeVar

from pipelines.errors import UserError
from pipelines.spec.model import StrategySpec
from pipelines.states.status import Status

Host = TypeVar("Host")


class BadStrategy(UserError):
    """The strategy of the deploy section cannot be followed."""


class Decision(Enum):
    """What a deploy does after its hosts so far."""

    GO_ON = "go on"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Caution:
    """How carefully a deploy goes: hosts changed at the same time, how many of them may fail or be out of reach, and
    what is done when more do."""

    at_once: int
    max_failures: int
    max_unreachable: int
    on_breach: str


def stricter(place: Caution, strategy: StrategySpec, hosts: int) -> Caution:
    """The spec proposes, the environment may be stricter. Hosts out of reach are the environment's alone to judge."""
    return replace(
        place,
        at_once=min(place.at_once, strategy.parallel),
        max_failures=min(place.max_failures, number(strategy.max_failures, hosts)),
    )


def number(budget: int | str, hosts: int) -> int:
    """A budget as a number of hosts: a share of them is rounded down, for it is what may be lost."""
    text = str(budget).replace(" ", "")
    return hosts * int(text[:-1]) // 100 if text.endswith("%") else int(text)


def waves(strategy: StrategySpec, hosts: Sequence[Host]) -> tuple[tuple[Host, ...], ...]:
    """Every host in exactly one wave, in the order given; no wave is empty.

    A wave is a number of hosts, a share of all hosts rounded up, or "rest"; the last one repeats until no
    host is left.
    """
    taken: list[tuple[Host, ...]] = []
    start = 0
    while start < len(hosts):
        wave = strategy.waves[min(len(taken), len(strategy.waves) - 1)] if strategy.waves else "rest"
        size = _size(wave, len(hosts))
        taken.append(tuple(hosts[start : start + size]))
        start += size
    return tuple(taken)


def _size(wave: int | str, total: int) -> int:
    if wave == "rest":
        return total
    if isinstance(wave, int) and wave > 0:
        return wave
    share = re.fullmatch(r"(\d{1,3})\s*%", str(wave))
    if share and 0 < int(share[1]) <= 100:
        return -(-total * int(share[1]) // 100)
    raise BadStrategy(f"wave {wave!r}: write a number of hosts, a percentage of them like 25%, or rest.")


def decide(results: Iterable[Status], unreachable: int, caution: Caution) -> Decision:
    """Judge after a wave: a host that failed, errored or was cancelled counts, for unknown is not success.

    `unreachable` hosts were never touched: leave them out of `results`, they have a budget of their own.
    """
    failed = sum(status not in (Status.SUCCEEDED, Status.SKIPPED) for status in results)
    if failed > caution.max_failures or unreachable > caution.max_unreachable:
        return Decision.STOP
    return Decision.GO_ON


# A wait up to here is sat through by the worker; a longer one holds none.
SHORT_SECONDS = 20.0


def question_seconds(total_seconds: float) -> float:
    """How long after one question the next is asked, in a bake or a watch of that length."""
    return min(max(total_seconds / 10, 1.0), 30.0)


def is_worse(new: Sequence[float], old: Sequence[float], tolerance: float) -> bool:
    """Whether the median of the new hosts is more than `tolerance` times that of the old; neither may be empty."""
    return median(new) > tolerance * median(old)
