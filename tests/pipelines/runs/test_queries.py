"""What pages ask, and how many questions that takes."""

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.projects.models import Project
from pipelines.runs import listing, queries
from pipelines.runs.listing import Wanted
from pipelines.runs.models import EventKind, Outcome
from pipelines.runs.reruns import rerun
from pipelines.states.status import Status
from tests.factories import (
    finish_run,
    finish_stage,
    make_event,
    make_green_run,
    make_project,
    make_red_run,
    make_run,
    plan,
)

pytestmark = pytest.mark.django_db


def line(project: Project) -> queries.Line:
    return queries.lines([project])[project.pk]


def test_a_line_holds_the_newest_runs_of_the_default_branch_oldest_first() -> None:
    project = make_project()
    for _ in range(4):
        make_run(project)
    make_run(project, ref="refs/heads/other")
    make_run(project, ref="refs/tags/main")
    assert [run.number for run in queries.lines([project], length=3)[project.pk].runs] == [2, 3, 4]


def test_the_lines_of_many_projects_take_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    projects = [make_project() for _ in range(3)]
    for project in projects:
        make_run(project)
    with django_assert_num_queries(1):
        assert len(queries.lines(projects)) == 3


def test_a_branch_is_broken_since_the_first_of_its_last_bad_runs() -> None:
    project = make_project()
    make_red_run(project)
    make_green_run(project)
    first = make_red_run(project)
    make_red_run(project)
    since = line(project).broken_since
    assert since is not None
    assert (since.number, since.short_sha) == (first.number, first.short_sha)
    assert line(project).is_broken


def test_a_run_in_progress_or_cancelled_neither_breaks_nor_mends_a_branch() -> None:
    project = make_project()
    red = make_red_run(project)
    finish_run(make_run(project), Status.CANCELLED)
    make_run(project)
    told = line(project)
    assert [one and one.number for one in (told.verdict, told.broken_since)] == [red.number, red.number]


def test_a_rerun_of_an_older_commit_does_not_say_how_a_branch_stands() -> None:
    project = make_project()
    old, newest = make_green_run(project), make_green_run(project)
    again = rerun(old, "ada (#1)")
    plan(again)
    finish_run(again, Status.FAILED)
    told = line(project)
    assert told.newest is not None
    assert told.verdict is not None
    assert (told.newest.number, told.verdict.number, told.is_broken) == (again.number, newest.number, False)


def test_a_line_without_runs_says_nothing() -> None:
    empty = line(make_project())
    assert (empty.newest, empty.verdict, empty.broken_since) == (None, None, None)
    assert (empty.passed_percent, empty.usual_seconds) == (None, None)


def test_a_line_knows_how_often_it_passes_and_how_long_it_takes() -> None:
    project = make_project()
    make_green_run(project)
    make_red_run(project)
    assert line(project).passed_percent == 50
    assert (line(project).usual_seconds or 0) > 0


def test_a_run_with_all_that_its_page_shows_takes_as_many_queries_however_large_it_is(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    project = make_project()
    run = make_green_run(project)
    with django_assert_max_num_queries(5):
        whole = queries.whole(project, run.number)
        for stage in whole.stages.all():
            for attempt in stage.attempts.all():
                assert attempt.log.size
                assert len(attempt.artifacts.all()) < 2
        assert whole.events.all()[0].delivery_id


def test_runs_are_listed_newest_first_and_page_by_page() -> None:
    project = make_project()
    for _ in range(3):
        make_run(project)
    assert [run.number for run in listing.page(project, Wanted(), None, 2)] == [3, 2]
    assert [run.number for run in listing.page(project, Wanted(), 2, 2)] == [1]
    assert listing.page(project, Wanted("refs/heads/nowhere"), None, 2) == []


def test_refs_are_listed_once_the_most_recent_first() -> None:
    project = make_project()
    for ref in ("refs/heads/a", "refs/heads/main", "refs/heads/a"):
        make_run(project, ref=ref)
    assert queries.refs(project) == ["refs/heads/a", "refs/heads/main"]


def test_a_stage_could_start_when_the_ledger_says_so() -> None:
    run = make_run()
    finish_stage(run, "build")
    assert len(queries.queued_at(run.stages.all())) == 2


def test_events_are_told_apart_by_what_came_of_them() -> None:
    project = make_project()
    make_event(project)
    make_event(project, kind=EventKind.PING, sha="0")
    assert [event.kind for event in queries.events([project])] == [EventKind.PING, EventKind.PUSH]
    assert [event.kind for event in queries.events([project], [Outcome.RUN])] == [EventKind.PUSH]


def test_what_runs_is_listed_and_nothing_that_waits_or_has_ended() -> None:
    project = make_project()
    make_green_run(project)
    make_run(project, spec=None)
    runs = make_run(project)
    assert queries.running([project], limit=1) == [runs]


def test_the_usual_time_is_that_of_earlier_runs_of_the_same_ref() -> None:
    project = make_project()
    make_green_run(project)
    run = make_run(project)
    assert queries.usual_seconds(run) is not None
    assert queries.usual_seconds(make_run(project, ref="refs/heads/new")) is None
