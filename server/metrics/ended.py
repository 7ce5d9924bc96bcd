"""What has ended this week, counted as it ends: each row is read once, however often somebody asks."""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone

# Seconds; the last, endless one is not written down.
BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0)
BEFORE = timedelta(days=14)  # what was made earlier and ends only now is not counted
_LATE = timedelta(seconds=60)  # so long a commit may come after the time that is written in it

Labels = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """How often what took so long; `counts` has one place more than BUCKETS."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def cumulated(self) -> list[tuple[str, int]]:
        """Each bound with how many took no longer."""
        total, found = 0, []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], self.counts, strict=True):
            total += count
            found.append((bound, total))
        return found


@dataclass(frozen=True, slots=True)
class Tally:
    """What one kind of row adds up to: how many by labels, and durations by labels."""

    counts: Mapping[Labels, int]
    durations: Mapping[Labels, Histogram]


Read = Callable[[Any], tuple[Labels, Labels, float | None]]


class Ended:
    """Counts rows whose `at` lies in this week (from Monday, 00:00 UTC). Prometheus takes the new week for a restart.

    `read` gives of a row the labels that it counts under, those of its duration, and that in seconds, None without.
    `rows` must have `pk` and `at`. Only rows above a certain id are looked at: `made` names when one was made.
    """

    def __init__(self, rows: Callable[[], "QuerySet[Any, Any]"], at: str, made: str, read: Read) -> None:
        self._rows, self._at, self._made, self._read = rows, at, made, read
        self._lock = threading.Lock()
        self._week: datetime | None = None

    def tally(self) -> Tally:
        with self._lock:
            now = timezone.now()
            if self._week != week_of(now):
                self._begin(week_of(now))
            self._take_in(now)
            return Tally(dict(self._counts), dict(self._durations))

    def _begin(self, week: datetime) -> None:
        self._week = self._until = week
        self._counts: Counter[Labels] = Counter()
        self._durations: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        self._seen: dict[int, datetime] = {}
        first = self._rows().order_by("pk").filter(**{f"{self._made}__gte": week - BEFORE}).first()
        self._from = first.pk if first is not None else self._after_all()

    def _after_all(self) -> int:
        last = self._rows().order_by("pk").last()
        return last.pk + 1 if last is not None else 0

    def _take_in(self, now: datetime) -> None:
        assert self._week is not None
        since = max(self._week, self._until - _LATE)
        for row in self._fresh(self._rows().filter(**{"pk__gte": self._from, f"{self._at}__gte": since})):
            counted, timed, seconds = self._read(row)
            self._counts[counted] += 1
            if seconds is not None:
                self._durations[timed].add(seconds)
        self._until = now
        self._seen = {pk: at for pk, at in self._seen.items() if at >= now - 2 * _LATE}

    def _fresh(self, rows: Iterable[Model]) -> Iterable[Model]:
        for row in rows:
            if row.pk not in self._seen:
                self._seen[row.pk] = getattr(row, self._at)
                yield row


def week_of(now: datetime) -> datetime:
    """The Monday, 00:00 UTC, before."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
