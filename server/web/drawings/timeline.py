"""Where the time of a run went: a lane per stage, waiting as a line, work as a bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_SHORT = 12  # letters


@dataclass(frozen=True, slots=True)
class Span:
    """A stage in seconds since the run was made: could start, started, ended; None for what has not happened.

    `told` is said where it has no bar; `label` is how its lane is called, if not by its name.
    """

    name: str
    status: str
    queued: float | None
    started: float | None
    ended: float | None
    told: str = ""
    label: str = ""

    @property
    def called(self) -> str:
        return self.label or self.name


@dataclass(frozen=True, slots=True)
class Lane:
    """A span in per cent of the whole width. `wait` and `work` are (from, length), None when there was none."""

    span: Span
    wait: tuple[float, float] | None
    work: tuple[float, float] | None
    seconds: float | None

    @property
    def running(self) -> bool:
        return self.work is not None and self.span.ended is None

    @property
    def wait_end(self) -> float:
        return sum(self.wait) if self.wait else 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """`grid` are the places of the vertical lines in per cent, `labels` what stands under them, the first at 0."""

    lanes: Sequence[Lane]
    grid: Sequence[float]
    labels: Sequence[str]

    @property
    def is_wide(self) -> bool:
        """Whether the names of its lanes take more room than most do."""
        return any(len(lane.span.called) > _SHORT for lane in self.lanes)


def draw(spans: Sequence[Span], now: float) -> Timeline:
    """`now`: seconds since the run was made, at which what runs is still running."""
    begun = [span for span in spans if span.started is not None]
    known = [moment for span in begun for moment in (span.started, span.ended) if moment is not None]
    running = any(span.ended is None for span in begun)
    longest = max([*known, now if running else 0, 1])
    step = next((step for step in _STEPS if longest / step <= 5), _STEPS[-1])
    count = ceil(longest / step)
    grid = [round(100 * place / count, 1) for place in range(1, count + 1)]
    return Timeline([_lane(span, now, count * step) for span in spans], grid, _labels(step, count))


def _lane(span: Span, now: float, total: float) -> Lane:
    wait = None
    if span.queued is not None and span.started is not None:
        wait = _share(span.queued, span.started, total)
    if span.started is None:
        return Lane(span, None, None, None)
    end = span.ended if span.ended is not None else max(now, span.started)
    start, length = _share(span.started, end, total)
    return Lane(span, wait, (start, max(length, 0.6)), end - span.started)


def _share(start: float, end: float, total: float) -> tuple[float, float]:
    return round(100 * start / total, 1), round(100 * max(end - start, 0) / total, 1)


def _labels(step: int, count: int) -> list[str]:
    total = step * count
    unit, size = ("h", 3600) if total >= 7200 else ("min", 60) if total >= 120 else ("s", 1)
    numbers = [f"{place * step / size:g}" for place in range(count + 1)]
    return [*numbers[:-1], f"{numbers[-1]} {unit}"]
