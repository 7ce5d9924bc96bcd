"""Recent runs as bars: height is duration; failed has a flat cap, errored a point, cancelled is hollow."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.states.status import FINAL, Status

KEEL, TALLEST, SHORTEST, PITCH = 28, 22, 8, 9


@dataclass(frozen=True, slots=True)
class Rib:
    """One run. `y` is the top of the bar; `cap` the top of what stands on it, None without."""

    status: str
    x: float
    y: float
    height: float
    label: str
    cap: float | None

    @property
    def hollow(self) -> bool:
        return self.status == Status.CANCELLED

    @property
    def waits(self) -> bool:
        return self.status not in FINAL and self.status != Status.RUNNING


@dataclass(frozen=True, slots=True)
class Ribs:
    """A row of ribs, oldest left, in a box of `width` × 30."""

    ribs: Sequence[Rib]
    width: int
    label: str

    @property
    def width_rem(self) -> float:
        return self.width / 16


@dataclass(frozen=True, slots=True)
class Bar:
    """What a rib tells: a status, seconds (None when it never started) and a name for a screen reader."""

    status: str
    seconds: float | None
    name: str


def draw(bars: Sequence[Bar], places: int = 20) -> Ribs:
    """Bars from oldest to newest; the newest stands rightmost, whatever the number of bars."""
    longest = max((bar.seconds or 0 for bar in bars), default=0)
    first = places - len(bars)
    ribs = [_rib(bar, longest, 1 + PITCH * (first + place)) for place, bar in enumerate(bars)]
    good = sum(bar.status == Status.SUCCEEDED for bar in bars)
    return Ribs(ribs, places * PITCH + 1, f"last {len(bars)} runs, {good} succeeded")


def _rib(bar: Bar, longest: float, x: float) -> Rib:
    share = (bar.seconds or 0) / longest if longest else 1
    height = round(SHORTEST + (TALLEST - SHORTEST) * share)
    cap = None
    if bar.status in (Status.FAILED, Status.ERRORED):
        height -= 4
        cap = KEEL - height - (4 if bar.status == Status.FAILED else 6)
    return Rib(bar.status, x, KEEL - height, height, f"{bar.name}: {bar.status}", cap)
