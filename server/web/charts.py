"""Charts: numbers over time, drawn in the browser, with a sentence and a table that say the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.durations import clock
from server.sentences import about

Number = float | int | None
WORDS: dict[str, Callable[[float], str]] = {
    "clock": clock,
    "about": about,
    "percent": lambda value: f"{round(value)} %",
    "count": lambda value: str(round(value)),
}


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each stretch of time; None where there is none."""

    name: str
    values: Sequence[Number]


@dataclass(frozen=True, slots=True)
class Chart:
    """`unit` is a key of WORDS, `kind` is "line" or "bars"; `starts` are the stretches' beginnings, oldest first."""

    key: str
    title: str
    summary: str
    unit: str
    kind: str
    starts: Sequence[datetime]
    series: Sequence[Series]

    @property
    def is_empty(self) -> bool:
        return all(value is None for one in self.series for value in one.values)

    @property
    def data(self) -> dict[str, Any]:
        """As the script takes it."""
        series = [{"name": one.name, "values": [_short(value) for value in one.values]} for one in self.series]
        return {
            "unit": self.unit,
            "kind": self.kind,
            "x": [int(at.timestamp()) for at in self.starts],
            "series": series,
        }

    @property
    def rows(self) -> list[tuple[datetime, list[str]]]:
        """The table, newest first; stretches without any value are left out."""
        found = [(at, [one.values[place] for one in self.series]) for place, at in enumerate(self.starts)]
        told = [(at, values) for at, values in found if any(value is not None for value in values)]
        return [
            (at, ["" if value is None else WORDS[self.unit](value) for value in values]) for at, values in told[::-1]
        ]


def _short(value: Number) -> Number:
    return round(value, 2) if isinstance(value, float) else value


def course(values: Sequence[Number], unit: str) -> str:
    """In words, how numbers went: 4:10 to 5:20, at most 7:01. What lies between its ends is not told twice."""
    known = [value for value in values if value is not None]
    if not known:
        return "nothing to show yet"
    say = WORDS[unit]
    first, last, least, most = (say(value) for value in (known[0], known[-1], min(known), max(known)))
    beyond = [f"{word} {end}" for word, end in (("at least", least), ("at most", most)) if end not in (first, last)]
    return ", ".join([first if first == last else f"{first} to {last}", *beyond])
