"""When a schedule comes round, on clocks that are changed twice a year by an hour, or by half of one."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipelines.spec.cron import BadCron, BadTimeZone, next_after, next_times

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _shown(cron: str, zone: str, after: str, count: int) -> list[str]:
    """What the clocks of the zone show, with their distance from UTC."""
    times = next_times(cron, zone, datetime.fromisoformat(after), count)
    return [f"{time.astimezone(ZoneInfo(zone)):%m-%d %H:%M %z}" for time in times]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "shown"),
    [
        ("30 2 * * *", BERLIN, "2026-03-28T12:00+00:00", ["03-29 03:00 +0200", "03-30 02:30 +0200"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00+00:00", ["03-08 03:00 -0400", "03-09 02:30 -0400"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00+00:00", ["10-04 02:30 +1100", "10-05 02:15 +1100"]),
        ("0,30 2 * * *", BERLIN, "2026-03-28T12:00+00:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"]),
    ],
)
def test_a_time_that_the_clocks_leave_out_in_spring_comes_once_right_after_the_gap(
    cron: str, zone: str, after: str, shown: list[str]
) -> None:
    assert _shown(cron, zone, after, 2) == shown


@pytest.mark.parametrize(
    ("cron", "zone", "after", "shown"),
    [
        ("30 2 * * *", BERLIN, "2026-10-24T12:00+00:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00+00:00", ["11-01 01:30 -0400", "11-02 01:30 -0500"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00+00:00", ["04-05 01:45 +1100", "04-06 01:45 +1030"]),
    ],
)
def test_a_time_that_the_clocks_show_twice_in_autumn_comes_the_first_time_only(
    cron: str, zone: str, after: str, shown: list[str]
) -> None:
    assert _shown(cron, zone, after, 2) == shown


def test_asked_while_the_hour_is_shown_again_a_time_of_it_has_been() -> None:
    assert _shown("50 2 * * *", BERLIN, "2026-10-25T01:40+00:00", 1) == ["10-26 02:50 +0100"]


def test_steps_follow_the_clocks_through_the_hour_that_comes_twice_and_past_the_one_that_is_left_out() -> None:
    autumn = _shown("*/30 * * * *", BERLIN, "2026-10-25T00:00+00:00", 4)
    assert autumn == ["10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100"]
    spring = _shown("*/30 * * * *", BERLIN, "2026-03-29T00:30+00:00", 2)
    assert spring == ["03-29 03:00 +0200", "03-29 03:30 +0200"]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6 *"])
def test_a_date_that_never_comes_is_refused_with_a_sentence(cron: str) -> None:
    with pytest.raises(BadCron, match="never comes round: there is no such date"):
        next_after(cron, "UTC", NOW)


def test_the_29th_of_february_comes_in_its_year() -> None:
    assert next_after("0 0 29 2 *", "UTC", NOW) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("* * *", "has five fields"),
        ("0 0 0 * * *", "has five fields"),
        ("61 * * * *", "'61' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * * MONDAY", "'MONDAY' is no day of the week"),
        ("*/0 * * * *", "is no minute"),
        ("٣ * * * *", "has five fields"),
        ("1," * 80 + "1 * * * *", "has five fields"),
    ],
)
def test_what_is_no_cron_expression_is_refused_by_field(cron: str, said: str) -> None:
    with pytest.raises(BadCron, match=said):
        next_after(cron, "UTC", NOW)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "", "Europe", "localtime", "CEST"])
def test_only_time_zones_of_the_database_are_taken(zone: str) -> None:
    with pytest.raises(BadTimeZone, match="is no time zone"):
        next_after("* * * * *", zone, NOW)


def test_a_misspelt_time_zone_is_met_with_the_nearest() -> None:
    with pytest.raises(BadTimeZone, match="did you mean Europe/Berlin"):
        next_after("* * * * *", "Europe/Berln", NOW)
