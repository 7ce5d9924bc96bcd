"""Schedules: written in the file or on the page, fired once for each of their times."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.projects.models import Project
from pipelines.runs.models import EventKind, Run
from pipelines.schedules import firing, lifecycle, queries
from pipelines.schedules.lifecycle import BadSchedule
from pipelines.schedules.models import Schedule, Source
from pipelines.spec.cron import BadCron
from pipelines.spec.model import ScheduleSpec
from tests.factories import make_project
from tests.rivals import race

pytestmark = pytest.mark.django_db

NIGHTLY = ScheduleSpec("nightly", "30 2 * * *", "Europe/Berlin")
DUE = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:30 in Berlin, which that night has no 02:30


@pytest.fixture
def project() -> Project:
    return make_project()


def _nightly(project: Project, **changes: object) -> Schedule:
    """A schedule of the file that is due at DUE."""
    lifecycle.sync(project, [NIGHTLY])
    Schedule.objects.filter(project=project).update(**{"next_at": DUE, **changes})
    return Schedule.objects.get(project=project)


def _make(project: Project, name: str = "weekly", cron: str = "0 6 * * 1", branch: str = "") -> Schedule:
    return lifecycle.make(project, name, cron, "UTC", branch, {}, "ana (#3)")


def test_a_schedule_starts_a_run_of_the_branch_with_its_parameters(project: Project) -> None:
    lifecycle.sync(project, [ScheduleSpec("nightly", "30 2 * * *", branch="next", parameters={"deep": "true"})])
    schedule = Schedule.objects.get()
    assert schedule.next_at is not None
    assert firing.fire_due(schedule.next_at) == 1
    run = Run.objects.get(project=project)
    assert (run.event_kind, run.ref, run.parameters) == (EventKind.SCHEDULE, "refs/heads/next", {"deep": "true"})


def test_a_run_says_by_which_schedule_and_for_which_time_it_came(project: Project) -> None:
    schedule = _nightly(project)
    firing.fire_due(DUE + timedelta(seconds=4))
    schedule.refresh_from_db()
    assert schedule.last_event is not None
    assert schedule.last_event.why == "by the schedule nightly, due 2026-03-29 03:00 Europe/Berlin"
    assert schedule.next_at == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_night_without_its_time_fires_once_and_a_night_with_two_fires_once(project: Project) -> None:
    for next_at, until in ((DUE, DUE), (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC))):
        Schedule.objects.all().delete()
        _nightly(project, next_at=next_at)
        before = Run.objects.count()
        for minutes in range(0, 240, 5):
            firing.fire_due(until + timedelta(minutes=minutes))
        assert Run.objects.count() == before + 1


def test_nothing_fires_before_its_time(project: Project) -> None:
    _nightly(project)
    assert firing.fire_due(DUE - timedelta(seconds=1)) == 0


@pytest.mark.django_db(transaction=True)
def test_two_clocks_fire_once(project: Project) -> None:
    _nightly(project)
    fired = race(4, lambda _: firing.fire_due(DUE + timedelta(seconds=1)))
    assert sorted(fired) == [0, 0, 0, 1]  # type: ignore[type-var]
    assert Run.objects.filter(project=project).count() == 1


def test_times_that_were_missed_while_no_clock_ran_are_made_up_for_once(project: Project) -> None:
    schedule = _nightly(project)
    assert firing.fire_due(DUE + timedelta(days=3, hours=1)) == 1
    assert firing.fire_due(DUE + timedelta(days=3, hours=1)) == 0
    schedule.refresh_from_db()
    assert schedule.last_event is not None
    assert schedule.last_event.why.endswith("late, for no clock ran then, and once for 4 times")
    assert Run.objects.filter(project=project).count() == 1


def test_a_clock_that_goes_back_fires_no_time_again(project: Project) -> None:
    schedule = _nightly(project, cron="* * * * *")
    firing.fire_due(DUE)
    schedule.refresh_from_db()
    assert schedule.next_at == DUE + timedelta(minutes=1)
    assert firing.fire_due(DUE - timedelta(seconds=30)) == 0


def test_the_file_s_schedules_are_those_of_the_file(project: Project) -> None:
    lifecycle.sync(project, [NIGHTLY, ScheduleSpec("hourly", "0 * * * *")])
    _make(project)
    lifecycle.sync(project, [NIGHTLY])
    assert set(project.schedules.values_list("name", "source")) == {("nightly", "file"), ("weekly", "page")}


def test_an_unchanged_schedule_keeps_its_next_time_and_a_changed_one_gets_a_new_one(project: Project) -> None:
    _nightly(project)
    lifecycle.sync(project, [NIGHTLY])
    assert Schedule.objects.get().next_at == DUE
    lifecycle.sync(project, [ScheduleSpec("nightly", "30 3 * * *", "Europe/Berlin")])
    assert Schedule.objects.get().next_at != DUE


def test_a_paused_schedule_stays_paused_whatever_the_file_says(project: Project) -> None:
    lifecycle.pause(_nightly(project), "ana (#3)")
    lifecycle.sync(project, [ScheduleSpec("nightly", "30 3 * * *", "Europe/Berlin")])
    schedule = Schedule.objects.get()
    assert schedule.is_paused
    assert schedule.next_at is None
    assert firing.fire_due(DUE + timedelta(days=9)) == 0


def test_a_resumed_schedule_makes_up_for_nothing(project: Project) -> None:
    schedule = _nightly(project)
    lifecycle.pause(schedule, "ana (#3)")
    lifecycle.resume(schedule, "ana (#3)")
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at > datetime.now(UTC)
    assert firing.fire_due() == 0


def test_a_schedule_of_the_file_that_never_comes_says_why_and_stops_nobody(project: Project) -> None:
    lifecycle.sync(project, [ScheduleSpec("never", "0 0 30 2 *"), NIGHTLY])
    never = Schedule.objects.get(name="never")
    assert never.next_at is None
    assert "never comes round" in never.problem
    assert Schedule.objects.get(name="nightly").next_at is not None


def test_a_schedule_of_the_page_that_never_comes_is_refused(project: Project) -> None:
    with pytest.raises(BadCron, match="never comes round"):
        _make(project, cron="0 0 30 2 *")


@pytest.mark.parametrize("branch", ["refs/pull/7/head", "a b", "x" * 300, "refs/heads/\n"])
def test_a_schedule_runs_a_branch_or_a_tag(project: Project, branch: str) -> None:
    with pytest.raises(BadSchedule, match="is no branch"):
        _make(project, branch=branch)


def test_a_name_is_taken_once_on_the_page_and_may_stand_in_the_file_as_well(project: Project) -> None:
    _make(project, "nightly")
    with pytest.raises(BadSchedule, match="there is a schedule nightly already"):
        _make(project, "nightly")
    lifecycle.sync(project, [NIGHTLY])
    assert project.schedules.count() == 2


def test_what_the_file_has_cannot_be_removed_on_the_page(project: Project) -> None:
    with pytest.raises(BadSchedule, match="take it out there, or pause it"):
        lifecycle.remove(_nightly(project), "ana (#3)")


def test_the_page_is_told_the_next_three_times_on_the_schedule_s_own_clocks(project: Project) -> None:
    _nightly(project)
    (line,) = queries.of_project(project, DUE - timedelta(hours=5))
    assert [f"{time:%d %H:%M %Z}" for time in line.times] == ["29 03:00 CEST", "30 02:30 CEST", "31 02:30 CEST"]
    lifecycle.pause(line.schedule, "ana (#3)")
    (paused,) = queries.of_project(project, DUE)
    assert (paused.times, paused.schedule.source) == ([], Source.FILE)
