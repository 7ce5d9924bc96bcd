"""When nothing is deployed, on the clocks of a time zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.deploys.models import Freeze
from pipelines.deploys.protection import freezes
from pipelines.deploys.protection.freezes import BadFreeze, Span, next_span, span_at
from pipelines.spec.cron import BadTimeZone, zone_named
from tests.factories import make_environment, make_project


@dataclass
class _Window:
    weekly_from: str = ""
    weekly_until: str = ""
    timezone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None


WEEKEND = _Window("fri 16:00", "mon 07:00")
BERLIN = _Window("fri 16:00", "mon 07:00", "Europe/Berlin")
NIGHT = _Window("sat 01:30", "sun 02:30", "Europe/Berlin")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "frozen"),
    [
        ("2026-11-20T15:59:59", False),  # a Friday
        ("2026-11-20T16:00", True),
        ("2026-11-22T12:00", True),
        ("2026-11-23T06:59:59", True),
        ("2026-11-23T07:00", False),
        ("2026-11-25T12:00", False),
    ],
)
def test_a_weekly_freeze_holds_from_its_first_moment_up_to_its_last(at: str, frozen: bool) -> None:
    assert (span_at(WEEKEND, _at(at)) is not None) is frozen


def test_a_weekly_freeze_knows_when_it_ends_and_when_it_comes_again() -> None:
    span = span_at(WEEKEND, _at("2026-11-21T00:00"))
    assert span == Span(_at("2026-11-20T16:00"), _at("2026-11-23T07:00"))
    again = next_span(WEEKEND, _at("2026-11-21T00:00"))
    assert again is not None
    assert again.start == _at("2026-11-27T16:00")
    soon = next_span(WEEKEND, _at("2026-11-20T15:00"))
    assert soon is not None
    assert soon.start == _at("2026-11-20T16:00")


def test_the_clocks_of_its_zone_count_in_summer_and_in_winter() -> None:
    assert span_at(BERLIN, _at("2026-07-03T13:59")) is None
    assert span_at(BERLIN, _at("2026-07-03T14:00")) is not None  # 16:00 in summer
    assert span_at(BERLIN, _at("2026-12-04T14:00")) is None
    assert span_at(BERLIN, _at("2026-12-04T15:00")) is not None  # 16:00 in winter


def test_a_weekend_in_which_the_clocks_change_ends_by_the_new_time() -> None:
    spring = span_at(BERLIN, _at("2026-03-28T12:00"))
    assert spring == Span(_at("2026-03-27T15:00"), _at("2026-03-30T05:00"))
    autumn = span_at(BERLIN, _at("2026-10-24T12:00"))
    assert autumn == Span(_at("2026-10-23T14:00"), _at("2026-10-26T06:00"))


def test_a_time_that_the_clocks_show_twice_ends_a_freeze_the_second_time() -> None:
    span = span_at(NIGHT, _at("2026-10-24T12:00"))
    assert span is not None
    assert span.end == _at("2026-10-25T01:30")  # 02:30 of the second hour


def test_a_time_that_the_clocks_leave_out_ends_a_freeze_after_the_gap() -> None:
    span = span_at(NIGHT, _at("2026-03-28T12:00"))
    assert span is not None
    assert span.end == _at("2026-03-29T01:30")  # 03:30


def test_a_freeze_may_go_over_the_end_of_the_week_and_name_its_days_in_full() -> None:
    window = _Window("Sunday 22:00", "Monday 06:00")
    assert span_at(window, _at("2026-11-23T01:00")) == Span(_at("2026-11-22T22:00"), _at("2026-11-23T06:00"))


def test_a_freeze_between_two_dates_is_over_once_and_for_all() -> None:
    window = _Window(starts_at=_at("2026-12-23T12:00"), ends_at=_at("2027-01-04T07:00"))
    assert span_at(window, _at("2026-12-31T00:00")) == Span(_at("2026-12-23T12:00"), _at("2027-01-04T07:00"))
    assert span_at(window, _at("2027-01-04T07:00")) is None
    assert next_span(window, _at("2026-12-01T00:00")) is not None
    assert next_span(window, _at("2026-12-31T00:00")) is None


def test_each_of_a_year_s_hours_is_frozen_or_not_as_its_clocks_say() -> None:
    at = _at("2026-01-01T00:00")
    for _ in range(366 * 24):
        local = at.astimezone(zone_named("Europe/Berlin"))
        day, hour = local.weekday(), local.hour
        by_clock = (day, hour) >= (4, 16) or (day, hour) < (0, 7)
        assert (span_at(BERLIN, at) is not None) is by_clock, at
        at += timedelta(hours=1)


@pytest.mark.parametrize("text", ["16:00", "fri", "fri 24:00", "friday at four", "fri 16:60", ""])
def test_a_moment_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadFreeze, match="write a day and a time, like fri 16:00"):
        span_at(_Window(text, "mon 07:00"), _at("2026-11-20T16:00"))


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(BadTimeZone, match="did you mean Europe/Berlin"):
        span_at(_Window("fri 16:00", "mon 07:00", "Europe/Berlim"), _at("2026-11-20T16:00"))


@pytest.mark.parametrize(
    ("window", "field", "words"),
    [
        (_Window(), "weekly_from", "two moments of a week"),
        (_Window("fri 16:00", "mon 07:00", starts_at=_at("2026-12-01T00:00")), "weekly_from", "or two dates"),
        (_Window("fri 16:00", ""), "weekly_until", "like fri 16:00"),
        (_Window("fri 16:00", "fri 16:00"), "weekly_until", "lock the environment"),
        (_Window("fri 16:00", "mon 07:00", "Mars"), "timezone", "no time zone"),
        (_Window(starts_at=_at("2026-12-01T00:00")), "ends_at", "needs both"),
        (
            _Window(starts_at=_at("2026-12-01T00:00"), ends_at=_at("2026-11-01T00:00")),
            "ends_at",
            "must end after it begins",
        ),
    ],
)
def test_what_is_wrong_with_a_freeze_is_said_at_its_field(window: _Window, field: str, words: str) -> None:
    (found,) = freezes.problems(window)
    assert found[0] == field
    assert words in found[1]


def test_a_good_freeze_has_no_problems() -> None:
    assert list(freezes.problems(BERLIN)) == []


@pytest.mark.django_db
def test_an_environment_is_frozen_by_its_own_its_project_s_and_the_server_s_freezes() -> None:
    environment = make_environment()
    other = make_environment(environment.project, "staging")
    weekend = {"weekly_from": "fri 16:00", "weekly_until": "mon 07:00"}
    Freeze.objects.create(name="own", environment=environment, **weekend)
    Freeze.objects.create(
        name="project's", project=environment.project, weekly_from="sat 00:00", weekly_until="sun 00:00"
    )
    Freeze.objects.create(name="server's", **weekend | {"weekly_until": "tue 07:00"})
    Freeze.objects.create(name="another's", environment=other, **weekend)
    Freeze.objects.create(name="another project's", project=make_project(), **weekend)
    found = freezes.in_force(environment, _at("2026-11-21T12:00"))
    assert [(freeze.name, end) for freeze, end in found] == [
        ("server's", _at("2026-11-24T07:00")),
        ("own", _at("2026-11-23T07:00")),
        ("project's", _at("2026-11-22T00:00")),
    ]
    assert [freeze.name for freeze, _ in freezes.around(environment, _at("2026-11-21T12:00"))[1]] == [
        "own",
        "server's",
        "project's",
    ]
