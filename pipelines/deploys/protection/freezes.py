"""When nothing is deployed: weekly windows on the clocks of a time zone, and single ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter
from typing import Protocol

from django.db.models import Q

from pipelines.deploys.models import Environment, Freeze
from pipelines.errors import UserError
from pipelines.spec.cron import zone_named

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = re.compile(rf"\s*({'|'.join(DAYS)})[a-z]*\s+([01]?\d|2[0-3]):([0-5]\d)\s*", re.IGNORECASE)
_WEEK = timedelta(days=7)


class BadFreeze(UserError):
    """A freeze that never begins, never ends, or cannot be read."""


class Window(Protocol):
    """What of a freeze says when it is: a week's two moments, or two moments of time."""

    timezone: str
    weekly_from: str
    weekly_until: str
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to, and without, another; both in UTC."""

    start: datetime
    end: datetime


def span_at(window: Window, at: datetime) -> Span | None:
    """The stretch of the window that `at` lies in. Raises BadFreeze and BadTimeZone."""
    return next((span for span in _spans(window, at) if span.start <= at < span.end), None)


def next_span(window: Window, at: datetime) -> Span | None:
    """The first stretch that begins after `at`; None for a window that is over. Raises as `span_at`."""
    return next((span for span in _spans(window, at) if span.start > at), None)


def problems(window: Window) -> Iterator[tuple[str, str]]:
    """What is wrong with a window: the field and a sentence."""
    try:
        zone_named(window.timezone)
    except UserError as error:
        yield "timezone", f"{error}."
    weekly, once = (window.weekly_from, window.weekly_until), (window.starts_at, window.ends_at)
    if any(weekly) == any(once):
        yield "weekly_from", "Give either the two moments of a week, like fri 16:00 and mon 07:00, or two dates."
    elif any(weekly):
        yield from _weekly_problems(*weekly)
    elif not all(once):
        yield "ends_at", "A freeze between two dates needs both."
    elif once[0] and once[1] and once[1] <= once[0]:
        yield "ends_at", "It must end after it begins."


Frozen = tuple[Freeze, datetime]


def in_force(environment: Environment, at: datetime) -> list[Frozen]:
    """The freezes that keep deploys away at `at`, each with its end; the one that lasts longest first."""
    return around(environment, at)[0]


def around(environment: Environment, at: datetime) -> tuple[list[Frozen], list[Frozen]]:
    """Those `in_force`, and those that begin after `at`, each with its next beginning, the next one first."""
    known = of(environment)
    held = [(freeze, span.end) for freeze in known if (span := span_at(freeze, at))]
    coming = [(freeze, span.start) for freeze in known if (span := next_span(freeze, at))]
    return sorted(held, key=itemgetter(1), reverse=True), sorted(coming, key=itemgetter(1))


def of(environment: Environment) -> list[Freeze]:
    """The environment's own, its project's and the server's."""
    own = Q(environment=environment.pk)
    wider = Q(environment=None, project=environment.project_id) | Q(environment=None, project=None)
    return list(Freeze.objects.filter(own | wider).order_by("pk"))


def _spans(window: Window, at: datetime) -> Iterator[Span]:
    """Those that may lie around `at` or begin next, in order."""
    if window.starts_at and window.ends_at:
        yield Span(window.starts_at.astimezone(UTC), window.ends_at.astimezone(UTC))
        return
    first, last = _read(window.weekly_from), _read(window.weekly_until)
    length = (last - first) % _WEEK or _WEEK
    local = at.astimezone(zone_named(window.timezone))
    monday = datetime.combine(local.date() - timedelta(days=local.weekday()), time())
    for week in (-1, 0, 1):
        start = monday + week * _WEEK + first
        yield Span(min(_utc(window, start)), max(_utc(window, start + length)))


def _utc(window: Window, clock: datetime) -> tuple[datetime, datetime]:
    """What a time on the clocks may mean: twice the same, but when they are put on or back in that hour. Then of both
    meanings the one is taken that keeps more away."""
    clocks = clock.replace(tzinfo=zone_named(window.timezone))
    return clocks.replace(fold=0).astimezone(UTC), clocks.replace(fold=1).astimezone(UTC)


def _read(text: str) -> timedelta:
    """Since Monday, 00:00."""
    found = _MOMENT.fullmatch(text)
    if not found:
        raise BadFreeze(f"{text!r} is no moment of a week: write a day and a time, like fri 16:00")
    return timedelta(days=DAYS.index(found[1].lower()), hours=int(found[2]), minutes=int(found[3]))


def _weekly_problems(first: str, last: str) -> Iterator[tuple[str, str]]:
    read: list[timedelta] = []
    for field, text in (("weekly_from", first), ("weekly_until", last)):
        try:
            read.append(_read(text))
        except BadFreeze as error:
            yield field, f"{error}."
    if len(read) == 2 and read[0] == read[1]:
        yield "weekly_until", "From a moment to the same one is the whole week: lock the environment instead."
