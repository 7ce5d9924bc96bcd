"""What pages are told about tests."""

import pytest

from pipelines.projects.models import Project
from pipelines.reports import queries
from pipelines.reports.models import TestCase
from pipelines.states.status import Status
from tests.factories import make_project, make_run, make_sha
from tests.pipelines.reports.reporting import MATRIX, case, cases, make_tested_run, report_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def test_a_run_tells_its_failures_in_a_sentence(project: Project) -> None:
    green = make_tested_run(project, cases(["a", "b"], ["old"]))
    run = make_tested_run(project, cases([], ["a", "b", "old"]))
    silent = make_run(project)

    assert str(queries.tally(run)) == "3 tests failed, 2 of them new"
    assert str(queries.tally(silent)) == ""
    assert set(queries.tallies([green.pk, run.pk, silent.pk])) == {green.pk, run.pk}


def test_a_test_that_fails_in_several_stages_is_one_failed_test(project: Project) -> None:
    run = make_run(project, spec=MATRIX)
    report_stage(run, cases([], ["a", "b"]), stage="t1")
    report_stage(run, cases(["a"], ["b"]), stage="t2")

    assert queries.tally(run).failed == 2
    assert [(one.test.name, one.stages) for one in queries.failures(queries.of_run(run))] == [
        ("a", ["t1"]),
        ("b", ["t1", "t2"]),
    ]


def test_a_rerun_shows_the_reports_of_the_stages_that_it_took_over(project: Project) -> None:
    first = make_run(project, spec=MATRIX)
    report_stage(first, cases(["a"]), stage="t1")
    report_stage(first, cases([], ["a"]), stage="t2")
    rerun = make_run(project, spec=MATRIX)
    rerun.stages.filter(name="t1").update(taken_from=first.stages.get(name="t1"))
    report_stage(rerun, cases([], ["a"]), stage="t2")

    assert [(one.run, one.stage) for one in queries.of_run(rerun)] == [(first, "t1"), (rerun, "t2")]


def test_new_failures_come_first_and_say_what_they_said(project: Project) -> None:
    make_tested_run(project, cases(["z"], ["a"]))
    run = make_tested_run(project, cases([], ["a", "z"]))
    new, old = queries.failures(queries.of_run(run))

    assert (new.test.name, new.is_new, new.text) == ("z", True, "E  z: 1 != 2")
    assert (old.test.name, old.is_new) == ("a", False)


def test_standings_merge_stages_to_the_worst_outcome_and_the_longest_time(project: Project) -> None:
    run = make_run(project, spec=MATRIX)
    report_stage(run, [case("a", seconds=1.0), case("b", Status.SKIPPED, seconds=None)], stage="t1")
    report_stage(run, [case("a", Status.FAILED, seconds=0.25), case("b", seconds=None)], stage="t2")
    found = queries.named(project, queries.standings(queries.of_run(run)))

    shown = [(one.test and one.test.name, one.outcome, one.seconds, one.stages) for one in found]
    assert shown == [("a", "failed", 1.0, ["t2"]), ("b", "succeeded", None, ["t2"])]


def test_a_search_takes_words_of_name_group_and_file(project: Project) -> None:
    run = make_tested_run(project, cases(["orders::test_reserve", "orders::test_pay", "basket::test_reserve"]))
    standings = queries.standings(queries.of_run(run))

    found = queries.matching(project, "RESERVE orders", standings)
    assert [one.test and one.test.group for one in found] == ["orders"]
    assert len(queries.matching(project, "tests/basket.py", standings)) == 1
    assert queries.matching(project, "nothing", standings) == []


def test_a_history_follows_the_default_branch_and_the_own_one(project: Project) -> None:
    first = make_tested_run(project, cases(["a"]))
    make_tested_run(project, cases([], ["a"]), ref="refs/heads/other")
    second = make_tested_run(project, cases(["b"]))
    run = make_tested_run(project, cases(["b"], ["a"]), ref="refs/heads/topic")
    make_tested_run(project, cases(["a"]))
    keys = {test.name: test.key for test in TestCase.objects.all()}
    found = queries.histories(run, dict.fromkeys(keys.values(), "test"))

    assert [(one.report.run, one.outcome) for one in found[keys["a"]]] == [(first, "succeeded"), (run, "failed")]
    assert [one.report.run for one in found[keys["b"]]] == [second, run]


def test_a_history_goes_back_a_dozen_reports(project: Project) -> None:
    runs = [make_tested_run(project, cases(["a"])) for _ in range(14)]
    key = TestCase.objects.get().key

    assert [one.report.run for one in queries.histories(runs[-1], {key: "test"})[key]] == runs[-12:]


def test_a_failure_is_followed_back_to_its_first_run(project: Project) -> None:
    make_tested_run(project, cases(["a"]))
    broke = make_tested_run(project, cases([], ["a"]))
    run = make_tested_run(project, cases([], ["a"]))
    key = TestCase.objects.get().key
    history = queries.histories(run, {key: "test"})[key]

    assert queries.failing_since(history) == broke
    assert queries.failing_since(history[:1]) is None
    assert queries.failing_since(history[1:]) is None  # who knows since when


def test_flaky_tests_of_a_commit_are_told_on_each_of_its_runs(project: Project) -> None:
    sha = make_sha()
    first = make_tested_run(project, cases(["b"], ["a"]), sha=sha)
    second = make_tested_run(project, cases(["a", "b"]), sha=sha, ref="refs/heads/again")
    for run in (first, second):
        assert [row.test.name for row in queries.flaky(run, queries.of_run(run))] == ["a"]


def test_the_past_of_a_test_is_told_newest_first_with_what_it_said(project: Project) -> None:
    first = make_tested_run(project, cases(["a"]))
    make_tested_run(project, cases(["b"]))
    last = make_tested_run(project, cases(["b"], ["a"]))
    test = TestCase.objects.get(name="a")

    assert [(one.report.run, one.outcome) for one in queries.past(test)] == [(last, "failed"), (first, "succeeded")]
    assert [row.message for row in queries.last_failures(test)] == ["a said no"]
