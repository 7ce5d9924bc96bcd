"""When a cron expression comes round, on the clocks of a time zone."""

from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from pipelines.errors import UserError

MAX_CHARACTERS = 120
FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")


class BadCron(UserError):
    """No cron expression, or one that never comes round."""


class BadTimeZone(UserError):
    """No time zone of the IANA database."""


def next_after(cron: str, zone: str, after: datetime) -> datetime:
    """The first time after `after` (aware), in UTC. Raises BadCron and BadTimeZone.

    As Debian's cron does it: a fixed time that a change of the clocks leaves out comes right after the gap, and one
    that they show twice comes the first time only. Stars and steps (`*/15`) follow the clocks as they go.
    """
    clock = zone_named(zone)
    found = _times(cron, after.astimezone(clock))
    # By the clocks a time may lie ahead that has been: 02:30 of the hour that is shown for the second time.
    for time in found:
        if time.astimezone(UTC) > after:
            return time.astimezone(UTC)
    raise _never(cron)


def next_times(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next `count` times, in UTC. Raises as `next_after`."""
    times: list[datetime] = []
    for _ in range(count):
        after = next_after(cron, zone, after)
        times.append(after)
    return times


def _times(cron: str, after: datetime) -> CronSim:
    fields = cron.split()
    if len(cron) > MAX_CHARACTERS or not cron.isascii() or len(fields) != len(FIELDS):
        raise BadCron(
            f"{cron[:MAX_CHARACTERS]!r} is no cron expression: it has five fields, "
            f"{', '.join(FIELDS)}, as in 30 2 * * 1-5"
        )
    try:
        return CronSim(" ".join(fields), after)
    except (CronSimError, ValueError, AssertionError) as error:
        raise _wrong(cron, fields, str(error)) from error


def _wrong(cron: str, fields: list[str], said: str) -> BadCron:
    """The library names the field, and calls a date that no month has a bad day."""
    names = {"minute": 0, "hour": 1, "day-of-month": 2, "month": 3, "day-of-week": 4}
    place = names.get(said.removeprefix("Bad "))
    if place is None:
        return BadCron(f"{cron!r} is no cron expression")
    if place == 2 and _is_number(fields[2]) and 1 <= int(fields[2]) <= 31:
        return _never(cron)
    return BadCron(f"{fields[place]!r} is no {FIELDS[place]} of a cron expression, in {cron!r}")


def _is_number(text: str) -> bool:
    return text.isdigit() and len(text) < 3


def _never(cron: str) -> BadCron:
    return BadCron(f"{cron!r} never comes round: there is no such date")


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo:
    """Raises BadTimeZone, with the name that was meant if one is near."""
    if name not in _names():
        near = get_close_matches(name[:60], _names(), 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ": as in Europe/Berlin, or UTC"
        raise BadTimeZone(f"{name[:60]!r} is no time zone{hint}")
    return ZoneInfo(name)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})  # which differs from machine to machine
