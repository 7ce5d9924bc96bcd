"""How runs went over time."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.projects.models import Project
from pipelines.runs import trends
from pipelines.runs.models import Run
from pipelines.runs.trends import Stretch
from pipelines.states.status import Status
from tests.factories import make_green_run, make_project, make_red_run, make_run

pytestmark = pytest.mark.django_db
UNTIL = datetime(2026, 3, 11, tzinfo=UTC)
DAY = timedelta(days=1)


def at(run: Run, moment: datetime, waited: float, took: float) -> None:
    """As if it had been asked for then; its first stage began after `waited` seconds."""
    began = moment + timedelta(seconds=1)
    ended = began + timedelta(seconds=took)
    Run.objects.filter(pk=run.pk).update(created_at=moment, started_at=began, finished_at=ended)
    run.stages.filter(position=0).update(started_at=moment + timedelta(seconds=waited))
    run.stages.exclude(position=0).exclude(started_at=None).update(started_at=moment + timedelta(hours=1))


def of(project: Project, count: int = 3, ref: str = "refs/heads/main") -> list[Stretch]:
    return list(trends.look(project, ref, UNTIL, DAY, count).stretches)


def test_each_run_counts_on_the_day_it_was_asked_for() -> None:
    project = make_project()
    at(make_green_run(project), UNTIL - timedelta(hours=1), 2, 60)
    at(make_red_run(project), UNTIL - timedelta(hours=2), 2, 60)
    at(make_green_run(project), UNTIL - timedelta(hours=25), 2, 60)
    at(make_green_run(project), UNTIL - timedelta(days=3, seconds=1), 2, 60)
    found = of(project)
    assert [(one.ended, one.succeeded, one.passed_percent) for one in found] == [(0, 0, None), (1, 1, 100), (2, 1, 50)]
    assert (found[0].start, found[-1].end) == (UNTIL - 3 * DAY, UNTIL)


def test_what_nine_of_ten_do_not_exceed_and_the_median_are_of_green_runs() -> None:
    project = make_project()
    for minutes in range(1, 11):
        at(make_green_run(project), UNTIL - timedelta(hours=minutes), minutes, 60 * minutes)
    at(make_red_run(project), UNTIL - timedelta(hours=11), 11, 3)
    newest = of(project)[-1]
    assert [newest.took, newest.took_most] == pytest.approx([300, 540], abs=0.01)
    assert [newest.waited, newest.waited_most] == pytest.approx([6, 10], abs=0.01)


def test_a_single_run_is_its_own_median() -> None:
    project = make_project()
    at(make_green_run(project), UNTIL - timedelta(hours=1), 4, 20)
    newest = of(project)[-1]
    assert newest.took == newest.took_most == pytest.approx(20, abs=0.01)


def test_other_branches_projects_and_cancelled_runs_are_no_part_of_it() -> None:
    project = make_project()
    other = make_green_run(project, ref="refs/heads/topic")
    at(other, UNTIL - timedelta(hours=1), 2, 60)
    at(make_green_run(make_project()), UNTIL - timedelta(hours=1), 2, 60)
    stopped = make_run(project)
    at(stopped, UNTIL - timedelta(hours=1), 2, 60)
    Run.objects.filter(pk=stopped.pk).update(**{"status": Status.CANCELLED})
    assert [one.ended for one in of(project)] == [0, 0, 0]
    assert [one.ended for one in of(project, ref="")] == [0, 0, 1]


def test_it_takes_as_many_queries_for_many_runs(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    project = make_project()
    for hours in range(1, 6):
        at(make_green_run(project), UNTIL - timedelta(hours=hours), 2, 60)
    with django_assert_num_queries(1):
        of(project, 30)


def test_all_stretches_as_one_have_a_median_of_their_own() -> None:
    project = make_project()
    for day, took in enumerate((10, 20, 90)):
        at(make_green_run(project), UNTIL - day * DAY - timedelta(hours=1), 2, took)
    found = trends.look(project, "", UNTIL, DAY, 3)
    assert (found.whole.ended, found.back_to) == (3, None)
    assert found.whole.took == pytest.approx(20, abs=0.01)


def test_what_is_too_old_to_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    for days in (3, 2, 1):
        at(make_green_run(project), UNTIL - days * DAY, 2, 60)
    project.refresh_from_db()
    monkeypatch.setattr(trends, "READ", 2)
    found = trends.look(project, "", UNTIL, DAY, 5)
    assert (found.back_to, found.whole.ended) == (UNTIL - 2 * DAY, 2)
    assert trends.look(project, "", UNTIL, DAY, 2).back_to is None  # of these two days all was read
