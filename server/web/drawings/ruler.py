"""The release ruler: one tick per release, a flag under the one that each environment runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

BASE, FIRST_FLAG, FLAG_PITCH, MARGIN = 16, 24, 15, 24


@dataclass(frozen=True, slots=True)
class Mark:
    """One release: its number, whether some environment runs it, whether it is quarantined."""

    number: int
    live: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark and where it stands."""

    mark: Mark
    x: float


@dataclass(frozen=True, slots=True)
class Flag:
    """The names of the environments that run the release at `x`, written left of their pole at height `y`."""

    names: str
    x: float
    y: float

    @property
    def pole(self) -> str:
        return f"M{self.x} 17V{self.y}H{self.x - 4}"

    @property
    def arrow(self) -> str:
        return f"M{self.x - 3.5} 17h7l-3.5 5Z"

    @property
    def text_x(self) -> float:
        return self.x - 8

    @property
    def text_y(self) -> float:
        return self.y + 4


@dataclass(frozen=True, slots=True)
class Ruler:
    """A ruler in a box of `width` × `height`; `start` is where its base line begins."""

    ticks: Sequence[Tick]
    halves: Sequence[float]
    flags: Sequence[Flag]
    width: int
    height: int
    start: float
    label: str

    @property
    def width_rem(self) -> float:
        return self.width / 16

    @property
    def height_rem(self) -> float:
        return self.height / 16


def draw(marks: Sequence[Mark], live: Mapping[str, int], *, width: int, pitch: int) -> Ruler:
    """`marks` from oldest to newest, `live` environment → release number.

    Texts stand left of their pole, newest lowest, so that nothing crosses.
    """
    right = width - MARGIN + 8
    ticks = [Tick(mark, right - pitch * (len(marks) - 1 - place)) for place, mark in enumerate(marks)]
    flags = _flags(ticks, live)
    halves = [(left.x + after.x) / 2 for left, after in pairwise(ticks)]
    start = max((ticks[0].x if ticks else right) - MARGIN, 0)
    height = (FIRST_FLAG + FLAG_PITCH * len(flags)) if flags else 22
    said = ", ".join(f"{name} has release {number}" for name, number in live.items())
    return Ruler(ticks, halves, flags, width, height, start, said or "nothing is live anywhere")


def _flags(ticks: Sequence[Tick], live: Mapping[str, int]) -> list[Flag]:
    """Environments that run the same release share a flag."""
    named = [(tick.x, [name for name, number in live.items() if number == tick.mark.number]) for tick in ticks]
    flown = [(x, ", ".join(names)) for x, names in named if names]
    return [Flag(names, x, FIRST_FLAG + FLAG_PITCH * place) for place, (x, names) in enumerate(flown)]
