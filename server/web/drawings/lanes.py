"""Lanes: which release a host ran over the last day, drawn as one bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.deploys.reads.bands import DAY_SECONDS, Stretch

TONES = 3  # of steel; older releases share the last
_GAP, _LEAST = 0.25, 0.75  # per cent of the width


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a lane, in per cent of its width."""

    fill: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    pieces: Sequence[Piece]
    label: str


def tones(days: Sequence[Sequence[Stretch]]) -> dict[int, str]:
    """Release → its tone, the newest first."""
    numbers = sorted({stretch.release for day in days for stretch in day}, reverse=True)
    return {number: f"rel{min(place, TONES - 1)}" for place, number in enumerate(numbers)}


def legend(tones: dict[int, str]) -> list[tuple[str, str]]:
    """What each tone stands for, the newest release first, and the tone."""
    shown = [(f"release {number}", tone) for number, tone in tones.items()][:TONES]
    if len(tones) > TONES:
        shown[-1] = (f"{shown[-1][0]} and older", shown[-1][1])
    return shown


def draw(name: str, day: Sequence[Stretch], tones: dict[int, str]) -> Lane:
    pieces = [_piece(stretch, tones) for stretch in day]
    return Lane(pieces, f"{name}: {', '.join(map(_said, day)) or 'no deploy is known'}")


def axis(now: datetime) -> list[str]:
    """What stands over the lanes: five times, a quarter of a day apart, in UTC."""
    times = [now - timedelta(seconds=DAY_SECONDS * (4 - place) / 4) for place in range(4)]
    return [f"yesterday {times[0]:%H:%M}", *(f"{at:%H:%M}" for at in times[1:]), "now"]


def _piece(stretch: Stretch, tones: dict[int, str]) -> Piece:
    x, end = stretch.start / DAY_SECONDS * 100, stretch.end / DAY_SECONDS * 100
    width = max(end - x - _GAP, _LEAST)
    return Piece(
        tones[stretch.release] if stretch.healthy else "failed", round(min(x, 100 - width), 2), round(width, 2)
    )


def _said(stretch: Stretch) -> str:
    hours = round((stretch.end - stretch.start) / 3600)
    lasted = f"{hours} h" if hours else "less than an hour"
    return f"{'release ' + str(stretch.release) if stretch.healthy else 'unhealthy'} for {lasted}"
