"""Lines of logs, the newest logs first: read, not indexed, for as long as somebody is willing to wait.

An index of all that is ever printed would be larger than what is printed, and be asked a few times a day. Reading takes
a second for a few hundred megabytes, and what people look for is nearly always recent. So one look is bounded in time
and says how far back it came; the next begins where it ended.
"""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.errors import UserError
from pipelines.finding.owners import Owner, owners
from pipelines.logs import pages, search
from pipelines.logs.models import Log

SECONDS = 1.0  # of one look, and the log that is being read when they are over
LEAST = 3  # characters: fewer stand in every log
LINES_SHOWN = 3  # of one log
LOGS_SHOWN = 20  # of one look
READ_MAX = 32 * 1024 * 1024  # bytes of one log: the end of a longer one is read
_AT_ONCE = 2  # looks in one process: more would only take each other's time
_PATIENCE_SECONDS = 3.0
_WINDOW, _WINDOW_MAX = 250, 4_000  # ids of logs that are asked about at once; more while nobody's are found
_HELD = 50  # logs' rows that are fetched at once
_BEFORE_HIT, _SHOWN = 80, 240  # characters of a line
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_places = threading.BoundedSemaphore(_AT_ONCE)


class Busy(UserError):
    """Others are looking through the logs already; ask again in a moment."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log by its number, counted from 1; what was looked for is `hit`, in its own letters."""

    number: int
    before: str
    hit: str
    after: str


@dataclass(frozen=True, slots=True)
class Matched:
    """A log in which the text stands; `more` when not all of its lines are here."""

    log_id: int
    owner: Owner
    lines: list[Line]
    more: bool


@dataclass(slots=True)
class Look:
    """What one look found and how far it came.

    `before` is where the next begins, None when nothing older is left. `ends_only` counts logs that are so long that
    only their end was read; `back_to` is when the oldest log that was read began.
    """

    matched: list[Matched] = field(default_factory=list)
    logs: int = 0
    bytes: int = 0
    ends_only: int = 0
    back_to: datetime | None = None
    before: int | None = None
    seconds: float = 0.0


def look(ids: Sequence[int], text: str, *, before: int | None = None, seconds: float = SECONDS) -> Look:
    """The newest logs of the projects in which `text` stands, whatever its case. Raises Busy.

    A text of fewer than LEAST characters is not looked for.
    """
    began, found = time.monotonic(), Look()
    if len(text) < LEAST:
        return found
    if not _places.acquire(timeout=_PATIENCE_SECONDS):
        raise Busy("Others are looking through the logs at the moment: ask again in a few seconds.")
    try:
        _look(found, _newest_first(ids, before), text, began + seconds)
    finally:
        _places.release()
    found.seconds = time.monotonic() - began
    return found


def in_log(log: Log, text: str, most: int, first_row: int = 0) -> tuple[list[Line], int | None]:
    """The lines of one log in which `text` stands, from `first_row` on, and the row of the next; None at the end.

    A line that is shown in several rows comes once for each of them in which it stands.
    """
    rows: list[int] = []
    for some in search.sweep(log, text, first_row):
        rows += some
        if len(rows) > most:
            break
    return [_line(log, row, text) for row in rows[:most]], rows[most] if len(rows) > most else None


def _look(found: Look, logs: Iterator[tuple[int, Owner | None, Log | None]], text: str, until: float) -> None:
    for log_id, owner, log in logs:
        if owner is not None and log is not None:
            found.logs, found.back_to = found.logs + 1, owner.at or found.back_to
            _read(found, log, owner, text)
        if len(found.matched) == LOGS_SHOWN or time.monotonic() > until:
            found.before = log_id
            return


def _read(found: Look, log: Log, owner: Owner, text: str) -> None:
    is_long = log.size > READ_MAX
    first = pages.row_of_byte(log, log.size - READ_MAX) if is_long else 0
    found.ends_only += is_long
    found.bytes += min(log.size, READ_MAX)
    rows: list[int] = []
    for some in search.sweep(log, text, first):
        rows += some
        if len(rows) > LINES_SHOWN:
            break
    if rows:
        lines = [_line(log, row, text) for row in rows[:LINES_SHOWN]]
        found.matched.append(Matched(log.pk, owner, lines, more=len(rows) > LINES_SHOWN))


def _line(log: Log, row: int, text: str) -> Line:
    window = pages.window(log, row, 1)
    shown = _CONTROL.sub("", search.plain(window.data).decode(errors="replace").strip("\n"))
    hit = re.search(re.escape(text), shown, re.IGNORECASE)
    number = window.place.line + 1
    if hit is None:  # it stands over the place where a long line is cut
        return Line(number, shown[:_SHOWN], "", "…" if len(shown) > _SHOWN else "")
    start, end = max(hit.start() - _BEFORE_HIT, 0), max(hit.start() - _BEFORE_HIT, 0) + _SHOWN
    before = ("…" if start else "") + shown[start : hit.start()].lstrip()
    return Line(number, before, hit[0], shown[hit.end() : end] + ("…" if len(shown) > end else ""))


def _newest_first(ids: Sequence[int], before: int | None) -> Iterator[tuple[int, Owner | None, Log | None]]:
    """Log ids with whose they are, the newest first; at the end of a window its first id, whoever's it is."""
    newest = Log.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    high = min(newest, before - 1) if before is not None else newest
    size, mine = _WINDOW, frozenset(ids)
    while high > 0:
        low = max(high - size, 0)
        known = owners(mine, low, high)
        newest_first = sorted(known, reverse=True)
        for begin in range(0, len(newest_first), _HELD):
            some = newest_first[begin : begin + _HELD]
            logs = Log.objects.in_bulk(some)
            yield from ((log_id, known[log_id], logs.get(log_id)) for log_id in some)
        if low:
            yield low + 1, None, None  # time passes, whoever's they are
        size = _WINDOW if known else min(2 * size, _WINDOW_MAX)
        high = low
