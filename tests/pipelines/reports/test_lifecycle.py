"""Reports as they are kept: compared with the base, flaky tests found, volumes bounded."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pipelines.projects.models import Project
from pipelines.reports import lifecycle
from pipelines.reports.cases import Collected, Coverage
from pipelines.reports.models import Report, Result, TestCase
from pipelines.runs import lifecycle as running
from pipelines.runs.models import Run
from pipelines.states.leases import LostLease
from pipelines.states.status import Status
from tests.factories import make_project, make_run, make_sha, start_stage
from tests.pipelines.reports.reporting import SPEC, case, cases, make_tested_run, report_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def before(run: Run) -> dict[str, str]:
    return dict(Result.objects.filter(report__run=run).values_list("test__name", "before"))


def test_a_report_is_counted_and_only_what_went_wrong_has_rows(project: Project) -> None:
    run = make_tested_run(project, cases(["a", "b"], ["c"], ["d"]), coverage=Coverage(3, 4))
    report = Report.objects.get(run=run)

    assert (report.succeeded, report.failed, report.skipped, report.seconds) == (2, 1, 1, 2.0)
    assert report.coverage == Coverage(3, 4)
    assert [row.test.name for row in report.results.order_by("pk")] == ["c", "d"]
    assert (report.results.get(test__name="c").place, len(report.cells)) == ("tests/all.py:7", 4 * 13)


def test_the_first_run_has_nothing_to_be_compared_with(project: Project) -> None:
    assert before(make_tested_run(project, cases([], ["a"]))) == {"a": ""}


def test_a_failure_knows_how_its_test_stood_on_the_base(project: Project) -> None:
    make_tested_run(project, cases(["well"], ["bad"], ["left"]))
    run = make_tested_run(project, cases([], ["well", "bad", "left", "unheard"]), ref="refs/heads/topic")

    assert before(run) == {"well": "succeeded", "bad": "failed", "left": "skipped", "unheard": "absent"}


def test_the_base_is_the_newest_finished_run_of_the_default_branch_before_it(project: Project) -> None:
    make_tested_run(project, cases([], ["a"]))
    newest = make_tested_run(project, cases(["a"]))
    make_tested_run(project, cases([], ["a"]), ref="refs/heads/other")
    under_way = make_run(project, spec=SPEC)
    lifecycle.store(start_stage(under_way), Collected(tuple(cases([], ["a"]))))
    run = make_run(project, spec=SPEC, ref="refs/heads/topic")

    assert lifecycle.base_of(run, "test") == Report.objects.get(run=newest)
    assert lifecycle.base_of(run, "other") is None


def test_a_rerun_is_compared_as_the_first_run_of_its_commit_was(project: Project) -> None:
    first = make_tested_run(project, cases(["a"]))
    second = make_tested_run(project, cases([], ["a"]))
    make_tested_run(project, cases([], ["a"]))
    rerun = make_run(project, spec=SPEC)
    Run.objects.filter(pk=rerun.pk).update(since=second.number, rerun_of=second)
    report_stage(Run.objects.get(pk=rerun.pk), cases(["a"]))

    base = Report.objects.get(run=rerun).base
    assert base is not None
    assert base.run == first
    assert TestCase.objects.get(name="a").outcome == "failed"


def test_a_pull_request_is_compared_with_the_branch_that_it_is_for(project: Project) -> None:
    stable = make_tested_run(project, cases(["a"]), ref="refs/heads/stable")
    make_tested_run(project, cases([], ["a"]))
    run = make_run(project, spec=SPEC, ref="refs/pull/7/head")
    run.target = "refs/heads/stable"

    base = lifecycle.base_of(run, "test")
    assert base is not None
    assert base.run == stable


def test_without_one_the_own_branch_s_last_run_is_the_base(project: Project) -> None:
    first = make_tested_run(project, cases(["a"]), ref="refs/heads/topic")
    second = make_tested_run(project, cases([], ["a"]), ref="refs/heads/topic")

    assert Report.objects.get(run=second).base == Report.objects.get(run=first)
    assert before(second) == {"a": "succeeded"}


def test_a_test_that_shows_both_results_on_one_commit_is_flaky_whichever_came_first(project: Project) -> None:
    sha = make_sha()
    make_tested_run(project, cases(["b", "well"], ["a", "bad"]), sha=sha)
    make_tested_run(project, cases(["a", "well"], ["b", "bad"]), sha=sha, ref="refs/heads/same")
    make_tested_run(project, cases(["bad"], ["well"]))

    assert set(Result.objects.filter(flaky=True).values_list("test__name", flat=True)) == {"a", "b"}
    assert set(TestCase.objects.exclude(flaky_at=None).values_list("name", flat=True)) == {"a", "b"}


def test_what_the_tool_itself_tried_again_is_flaky_and_has_a_row_though_it_succeeded(project: Project) -> None:
    run = make_tested_run(project, [case("a", flaky=True), case("b")])

    assert [(row.test.name, row.outcome, row.flaky) for row in Result.objects.filter(report__run=run)] == [
        ("a", "succeeded", True)
    ]


def test_another_stage_of_the_same_commit_makes_no_test_flaky(project: Project) -> None:
    run = make_run(project, spec="image: busybox\nstages:\n  a: {steps: [x]}\n  b: {steps: [x], needs: []}\n")
    report_stage(run, cases(["t"]), stage="a")
    report_stage(run, cases([], ["t"]), stage="b")

    assert not Result.objects.filter(flaky=True).exists()


def test_a_test_is_known_once_with_the_run_that_first_told_of_it_and_how_it_stands(project: Project) -> None:
    first = make_tested_run(project, cases(["a"]))
    make_tested_run(project, cases(["a", "b"]), ref="refs/heads/topic")
    last = make_tested_run(project, cases([], ["a"]))
    make_tested_run(project, cases(["a"]), ref="refs/heads/topic")
    test = TestCase.objects.get(name="a")

    assert (test.first_run, test.last_run, test.outcome) == (first.number, last.number, "failed")
    assert TestCase.objects.filter(project=project).count() == 2


def test_a_fork_s_run_tells_nothing_of_how_the_project_s_tests_stand(project: Project) -> None:
    make_tested_run(project, cases(["a"]))
    forked = start_stage(make_run(project, spec=SPEC))
    Run.objects.filter(pk=forked.stage.run_id).update(trusted=False)
    forked.stage.run.refresh_from_db()
    lifecycle.store(forked, Collected(tuple(cases([], ["a"]))))
    running.finish_attempt(forked, Status.FAILED)
    run = make_run(project, spec=SPEC)

    assert TestCase.objects.get(name="a").outcome == "succeeded"
    base = lifecycle.base_of(run, "test")
    assert base is not None
    assert base.run_id != forked.stage.run_id


def test_handing_in_twice_after_a_takeover_keeps_one_report(project: Project) -> None:
    attempt = start_stage(make_run(project, spec=SPEC))
    first = lifecycle.store(attempt, Collected(tuple(cases([], ["a"]))))

    assert lifecycle.store(attempt, Collected(tuple(cases(["a"])))) == first
    assert Result.objects.count() == 1


def test_who_has_lost_the_attempt_keeps_nothing(project: Project) -> None:
    attempt = start_stage(make_run(project, spec=SPEC))
    attempt.fence -= 1

    with pytest.raises(LostLease):
        lifecycle.store(attempt, Collected(tuple(cases(["a"]))))
    assert not Report.objects.exists()


def test_rows_are_bounded_and_the_report_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "RESULTS_MAX", 3)
    monkeypatch.setattr(lifecycle, "TEXTS_MAX", 1)
    run = make_tested_run(project, cases([], ["a", "b"], ["c", "d", "e"]))
    report = Report.objects.get(run=run)

    assert (report.failed, report.skipped, len(report.cells)) == (2, 3, 5 * 13)
    assert sorted(report.results.values_list("test__name", flat=True)) == ["a", "b", "c"]
    assert [bool(row.text) for row in report.results.order_by("pk")] == [True, False, False]
    assert report.notes == ["Only 3 of 5 tests that did not succeed are kept with what they said."]


def test_a_large_report_asks_the_database_seldom(project: Project) -> None:
    attempt = start_stage(make_run(project, spec=SPEC))
    with CaptureQueriesContext(connection) as queries:
        lifecycle.store(attempt, Collected(tuple(cases([f"t{n}" for n in range(3900)], [f"f{n}" for n in range(100)]))))

    assert TestCase.objects.filter(project=project).count() == 4000
    assert len(queries) < 100


def test_outcomes_of_an_overtaken_run_do_not_overwrite_newer_ones(project: Project) -> None:
    early = make_run(project, spec=SPEC)
    make_tested_run(project, cases([], ["a"]))
    report_stage(early, cases(["a"]))

    assert TestCase.objects.get(name="a").outcome == Status.FAILED
