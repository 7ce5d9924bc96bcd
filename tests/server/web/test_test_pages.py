"""The pages of tests: a run's, one test's, a project's."""

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.projects.models import Project
from pipelines.reports.cases import Coverage
from pipelines.reports.models import TestCase
from pipelines.runs.models import Run, Stage
from pipelines.states.status import Status
from tests.factories import finish_run, make_green_run, make_project, make_run, make_sha
from tests.pipelines.reports.reporting import MATRIX, SPEC, case, cases, make_tested_run, report_stage
from tests.server.web.test_how_much_pages_ask import AT_MOST, asked

pytestmark = pytest.mark.django_db


def page(client: Client, run: Run, query: str = "") -> str:
    return text(client, reverse("run-tests", args=[run.project.name, run.number]) + query)


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def test_the_page_of_a_run_begins_with_what_failed_and_what_of_it_is_new(viewer: Client, project: Project) -> None:
    first = make_tested_run(project, cases(["z_new", "well"], ["a_old"]))
    run = make_tested_run(project, cases(["well"], ["a_old", "z_new"], ["left"]))
    shown = page(viewer, run)

    assert "2 tests failed, 1 of them new" in shown
    assert "1 succeeded, 2 failed, 1 skipped" in shown
    assert shown.index("z_new new tests/all.py:7") < shown.index("a_old tests/all.py:7")
    assert f"new: it passed in run {first.number} on main E z_new: 1 != 2" in shown
    assert f"failed in run {first.number} on main as well" in shown
    assert "well tests/all.py" not in shown


def test_a_failure_that_goes_on_says_since_when(viewer: Client, project: Project) -> None:
    make_tested_run(project, cases(["a"]))
    broke = make_tested_run(project, cases([], ["a"]))

    assert f"fails since run {broke.number}" in page(viewer, make_tested_run(project, cases([], ["a"])))


def test_all_tests_are_listed_with_their_results(viewer: Client, project: Project) -> None:
    run = make_tested_run(project, cases(["one"], ["two"], ["three"]))
    shown = page(viewer, run, "?show=all")

    assert re.search("succeeded one .* failed two .* skipped three", shown)
    assert "0.50 s" in shown


def test_the_slowest_come_first(viewer: Client, project: Project) -> None:
    run = make_tested_run(
        project, [case("quick", seconds=0.01), case("slow", seconds=75.0), case("untold", seconds=None)]
    )

    assert re.search(r"slow tests/all.py .* 1:15 .* quick .* 0.01 s .* untold", page(viewer, run, "?show=slowest"))


def test_flaky_tests_name_the_run_that_showed_the_other_result(viewer: Client, project: Project) -> None:
    sha = make_sha()
    first = make_tested_run(project, cases([], ["a"]), sha=sha)
    second = make_tested_run(project, cases(["a"]), sha=sha, ref="refs/heads/again")

    assert f"a in run {first.number}" in page(viewer, second, "?show=flaky")
    assert "flaky 1" in page(viewer, first)


def test_a_test_says_in_which_stages_it_failed_and_a_stage_shows_its_own(viewer: Client, project: Project) -> None:
    run = make_run(project, spec=MATRIX)
    report_stage(run, cases(["b"], ["a", "c"]), stage="t1")
    report_stage(run, cases(["b"], ["a", "c"]), stage="t2")
    report_stage(run, cases(["b", "a"], ["c"]), stage="t3")

    assert "tests/all.py:7, t1 and t2" in page(viewer, run)
    assert "tests/all.py:7, in every stage" in page(viewer, run)
    assert "a tests/all.py:7" not in page(viewer, run, "?stage=t3")


def test_a_search_finds_by_name_and_file_and_says_when_it_finds_nothing(viewer: Client, project: Project) -> None:
    run = make_tested_run(project, cases(["orders::test_pay", "basket::test_add"]))

    assert "test_add" not in page(viewer, run, "?q=orders.py")
    assert "test_pay" in page(viewer, run, "?q=orders.py")
    assert "No test has “gone” in its name or file here." in page(viewer, run, "?q=gone")


def test_coverage_is_told_with_its_change(viewer: Client, project: Project) -> None:
    first = make_tested_run(project, cases(["a"]), coverage=Coverage(80, 100))
    more = make_tested_run(project, cases(["a"]), coverage=Coverage(825, 1000))
    same = make_tested_run(project, cases(["a"]), coverage=Coverage(825, 1000))

    assert "test: 80.0 % of the lines were run by tests." in page(viewer, first)
    assert f"82.5 % of the lines were run by tests, 2.5 points more than in run {first.number} on main." in page(
        viewer, more
    )
    assert f"82.5 % of the lines were run by tests, as in run {more.number} on main." in page(viewer, same)


def test_what_could_not_be_read_is_told_on_the_page(viewer: Client, project: Project) -> None:
    run = make_run(project, spec=SPEC)
    report_stage(run, [], notes=["report.xml was not written."])

    assert "test: report.xml was not written." in page(viewer, run)
    assert "The reports name no tests." in page(viewer, run)


def test_hostile_names_and_texts_are_inert(viewer: Client, project: Project) -> None:
    evil = "<script>alert(1)</script>"
    run = make_tested_run(project, [case(evil, Status.FAILED, file=evil, text=evil, message=evil)])
    test = TestCase.objects.get()

    for address in (
        reverse("run-tests", args=[project.name, run.number]),
        reverse("test", args=[project.name, test.key]),
        reverse("tests", args=[project.name]),
    ):
        body = viewer.get(address).content.decode()
        assert "<script>alert" not in body
        assert "&lt;script&gt;alert" in body


def test_a_run_without_reports_says_how_to_get_one(viewer: Client, project: Project) -> None:
    assert "reports: {junit: report.xml, coverage: coverage.xml}" in page(viewer, make_green_run(project))


def test_a_run_that_will_have_reports_says_when_and_one_that_has_none_says_so(viewer: Client, project: Project) -> None:
    run = make_run(project, spec=SPEC)
    stage = Stage.objects.get(run=run)
    stage.spec = {**stage.spec, "reports": {"junit": ["report.xml"], "coverage": []}}
    stage.save(update_fields=["spec"])

    assert "Known when test has ended." in page(viewer, run)
    finish_run(run)
    assert "none was handed in" in page(viewer, run)


def test_the_page_of_a_test_tells_its_history_and_what_it_said(viewer: Client, project: Project) -> None:
    first = make_tested_run(project, cases(["orders::a"]))
    last = make_tested_run(project, cases([], ["orders::a"]))
    shown = text(viewer, reverse("test", args=[project.name, TestCase.objects.get().key]))

    assert re.search(f"{last.number} failed test .* {first.number} succeeded test", shown)
    assert f"Known since run {first.number}" in shown
    assert f"Run {last.number} test, main, tests/orders.py:7 E a: 1 != 2" in shown


def test_a_test_that_no_late_report_has_says_so(viewer: Client, project: Project) -> None:
    run = make_tested_run(project, cases(["a"]))
    run.reports.all().delete()

    assert "it was renamed or removed" in text(viewer, reverse("test", args=[project.name, TestCase.objects.get().key]))


def test_the_tests_of_a_project_say_how_they_stand(viewer: Client, project: Project) -> None:
    make_tested_run(project, cases(["well", "also"], ["bad"]))
    address = reverse("tests", args=[project.name])

    assert "1 of 3 tests fails on main" in text(viewer, address)
    assert "well" not in text(viewer, f"{address}?show=failing")
    assert "bad" not in text(viewer, f"{address}?q=WELL")
    assert "No test has shown both results on one commit." in text(viewer, f"{address}?show=flaky")
    assert "Tests are known by the reports of stages" in text(
        viewer, reverse("tests", args=[_other(viewer, project).name])
    )


def _other(client: Client, project: Project) -> Project:
    """Another project that the same team sees, without tests."""
    other = make_project()
    for member in project.members.all():
        other.members.create(team=member.team, role=member.role)
    return other


def test_a_test_of_another_project_is_not_found(viewer: Client, project: Project) -> None:
    make_tested_run(make_project(), cases(["a"]))

    assert viewer.get(reverse("test", args=[project.name, TestCase.objects.get().key])).status_code == 404


def test_long_lists_go_on_on_the_next_page(viewer: Client, project: Project) -> None:
    run = make_tested_run(project, cases([f"t{n:03}" for n in range(130)]))
    address = reverse("tests", args=[project.name])

    assert "t099" in page(viewer, run, "?show=all")
    assert "t100" not in page(viewer, run, "?show=all")
    assert "t129" in page(viewer, run, "?show=all&from=100")
    assert "t129" in text(viewer, f"{address}?from=100")


def test_more_tests_are_no_more_questions(viewer: Client, project: Project) -> None:
    make_tested_run(project, cases(["w"]))
    few = make_tested_run(project, cases(["w"], ["a"]))
    many = make_tested_run(project, cases([f"w{n}" for n in range(90)], [f"a{n}" for n in range(60)], ["s"]))
    for query in ("", "?show=slowest", "?show=flaky", "?show=all", "?q=a"):
        small, large = (
            asked(viewer, reverse("run-tests", args=[project.name, run.number]) + query) for run in (few, many)
        )
        assert large <= small + 1 <= AT_MOST, query  # a second failure's text, or a history
    for address in (
        reverse("tests", args=[project.name]),
        reverse("test", args=[project.name, TestCase.objects.get(name="a").key]),
    ):
        assert asked(viewer, address) <= AT_MOST
