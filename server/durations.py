"""Seconds: between two moments of a record, and as people read them."""

from datetime import datetime
from typing import Protocol

from django.utils import timezone

MINUTE, HOUR, DAY = 60, 3600, 86400


class Timed(Protocol):
    """What begins and ends."""

    @property
    def started_at(self) -> datetime | None: ...

    @property
    def finished_at(self) -> datetime | None: ...


def so_far(row: Timed) -> float | None:
    """Seconds between the start and the end, or now; None for what has not started."""
    if row.started_at is None:
        return None
    return ((row.finished_at or timezone.now()) - row.started_at).total_seconds()


def clock(seconds: float | None) -> str:
    """0:42, 12:05 or 1:02:03; nothing for None."""
    if seconds is None:
        return ""
    hours, rest = divmod(max(int(seconds), 0), HOUR)
    minutes, left = divmod(rest, MINUTE)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
