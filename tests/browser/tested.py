"""A project whose tests have a past."""

from pipelines.projects.models import Project
from pipelines.reports.cases import Coverage
from pipelines.runs.models import Run
from pipelines.states.status import Status
from tests.factories import make_run
from tests.pipelines.reports.reporting import case, cases, report_stage

MATRIX = "image: busybox\nstages:\n" + "".join(f"  py{n}: {{steps: [pytest], needs: []}}\n" for n in (311, 312, 313))
WELL = [f"tests.orders.test_stock::test_stock_is_kept_{n}" for n in range(40)]
OLD = "tests.orders.test_reserve::test_reservation_expires_after_ten_minutes"
NEW = "tests.orders.test_reserve::test_two_workers_reserve_the_last_item"
LONG = "tests.checkout::test_" + "a_very_long_name_" * 12
SAID = 'stock.set("lamp", 1)\nfirst, second = pool.map(reserve, ["lamp", "lamp"])\n> assert stock.left("lamp") == 0'


def past(project: Project) -> Run:
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
