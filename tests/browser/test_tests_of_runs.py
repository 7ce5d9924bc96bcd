"""The pages of tests in a browser: they fit, refuse nothing, shut nobody out, and work by clicks."""

from django.urls import reverse

from pipelines.reports.models import TestCase
from pipelines.states.status import Status
from tests.browser import tested
from tests.browser.conftest import Visit
from tests.browser.test_pages import look
from tests.factories import make_operator, make_project, make_run


def test_from_a_run_s_log_to_its_tests_to_the_history_of_one(visitor_of: Visit) -> None:
    project = make_project("shop")
    run = tested.past(project)
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    visitor.open(reverse("run", args=[project.name, run.number]))
    visitor.page.get_by_role("link", name="Tests 3 failed").click()
    visitor.page.get_by_role("heading", name="3 tests failed, 2 of them new").wait_for()
    visitor.page.get_by_role("link", name="slowest").click()
    visitor.page.get_by_role("searchbox", name="Search tests").fill("workers")
    visitor.page.get_by_role("searchbox", name="Search tests").press("Enter")
    visitor.page.get_by_role("rowheader").get_by_role("link").click()
    visitor.page.get_by_role("heading", name="What it said when it failed").wait_for()
    visitor.page.get_by_text("first, second = pool.map").first.wait_for()


def test_every_page_of_tests_fits_its_window_and_shuts_nobody_out(visitor_of: Visit) -> None:
    project, empty = make_project(), make_project()
    run = tested.past(project)
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    tests = reverse("run-tests", args=[project.name, run.number])
    paths = [
        tests,
        f"{tests}?show=slowest",
        f"{tests}?show=flaky",
        reverse("tests", args=[project.name]),
        reverse("tests", args=[empty.name]),
        *(reverse("test", args=[project.name, test.key]) for test in TestCase.objects.filter(outcome=Status.FAILED)),
        reverse("run-tests", args=[empty.name, make_run(empty, spec=tested.MATRIX).number]),
    ]
    found = [wrong for path in paths for wrong in look(visitor, path)]
    assert not found, "\n".join(found)
