"""The pages of tests in a browser: they fit, refuse nothing, shut nobody out, and work by clicks."""

from django.urls import reverse

from pipelines.projects.models import Project
from pipelines.reports.cases import Coverage
from pipelines.reports.models import TestCase
from pipelines.runs.models import Run
from pipelines.states.status import Status
from tests.browser.conftest import Visit
from tests.browser.test_pages import _look
from tests.factories import make_operator, make_project, make_run
from tests.pipelines.reports.reporting import case, cases, report_stage

MATRIX = "image: busybox\nstages:\n" + "".join(f"  py{n}: {{steps: [pytest], needs: []}}\n" for n in (311, 312, 313))
WELL = [f"tests.orders.test_stock::test_stock_is_kept_{n}" for n in range(40)]
OLD = "tests.orders.test_reserve::test_reservation_expires_after_ten_minutes"
NEW = "tests.orders.test_reserve::test_two_workers_reserve_the_last_item"
LONG = "tests.checkout::test_" + "a_very_long_name_" * 12
SAID = 'stock.set("lamp", 1)\nfirst, second = pool.map(reserve, ["lamp", "lamp"])\n> assert stock.left("lamp") == 0'


def test_from_a_run_s_log_to_its_tests_to_the_history_of_one(visitor_of: Visit) -> None:
    project = make_project("shop")
    run = _past(project)
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    visitor.open(reverse("run", args=[project.name, run.number]))
    visitor.page.get_by_role("link", name="Tests", exact=True).click()
    visitor.page.get_by_role("heading", name="3 tests failed, 2 of them new").wait_for()
    visitor.page.get_by_role("link", name="slowest").click()
    visitor.page.get_by_role("searchbox").fill("workers")
    visitor.page.get_by_role("searchbox").press("Enter")
    visitor.page.get_by_role("rowheader").get_by_role("link").click()
    visitor.page.get_by_role("heading", name="What it said when it failed").wait_for()
    visitor.page.get_by_text("first, second = pool.map").first.wait_for()


def test_every_page_of_tests_fits_its_window_and_shuts_nobody_out(visitor_of: Visit) -> None:
    project, empty = make_project(), make_project()
    run = _past(project)
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
        reverse("run-tests", args=[empty.name, make_run(empty, spec=MATRIX).number]),
    ]
    found = [wrong for path in paths for wrong in _look(visitor, path)]
    assert not found, "\n".join(found)


def _past(project: Project) -> Run:
    """Ten runs, the last of them red in a new way in two of three stages."""
    for round_ in range(9):
        run = make_run(project, spec=MATRIX)
        for stage in ("py311", "py312", "py313"):
            failed = [OLD] if round_ > 5 else []
            found = cases([*WELL, NEW, *([] if failed else [OLD])], failed)
            report_stage(run, found, stage=stage, coverage=Coverage(800 + round_, 1000))
    run = make_run(project, spec=MATRIX, title="Make stock reservation safe under retries")
    bad = case(NEW, Status.FAILED, seconds=1.84, file="tests/orders/test_reserve.py", line=48, text=SAID)
    for stage, new in (("py311", []), ("py312", [bad]), ("py313", [bad, case(LONG, Status.ERRORED)])):
        found = [*cases(WELL, [OLD], ["tests.orders::test_left"]), *new]
        report_stage(run, found, stage=stage, coverage=Coverage(820, 1000), notes=["extra.xml was not written."])
    return run
