"""Reports for tests, made the way the product makes them."""

from collections.abc import Sequence

from pipelines.projects.models import Project
from pipelines.reports import lifecycle
from pipelines.reports.cases import Case, Collected, Coverage
from pipelines.reports.models import Report
from pipelines.runs import lifecycle as running
from pipelines.runs.models import Run
from pipelines.states.status import BAD, Status
from tests.factories import make_run, start_stage

SPEC = "image: busybox\nstages:\n  test: {steps: [pytest]}\n"
MATRIX = "image: busybox\nstages:\n" + "".join(f"  t{n}: {{steps: [pytest], needs: []}}\n" for n in (1, 2, 3))


def case(name: str, outcome: Status = Status.SUCCEEDED, **fields: object) -> Case:
    """`name` may be written group::test."""
    group, _, short = name.rpartition("::")
    known = {"group": group, "seconds": 0.5, "file": f"tests/{group or 'all'}.py", "line": 7, **fields}
    if outcome in BAD:
        known = {"message": f"{short} said no", "text": f"E  {short}: 1 != 2", **known}
    return Case(name=short, outcome=outcome, **known)  # type: ignore[arg-type]


def cases(well: Sequence[str] = (), failed: Sequence[str] = (), skipped: Sequence[str] = ()) -> list[Case]:
    return [
        *(case(name) for name in well),
        *(case(name, Status.FAILED) for name in failed),
        *(case(name, Status.SKIPPED) for name in skipped),
    ]


def report_stage(
    run: Run,
    found: Sequence[Case] = (),
    *,
    stage: str = "",
    coverage: Coverage | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Perform a stage of the run, whose tests say `found`, to its verdict."""
    attempt = start_stage(run, stage)
    report = lifecycle.store(attempt, Collected(tuple(found), coverage, tuple(notes)))
    bad = any(one.is_bad for one in found)
    running.finish_attempt(attempt, Status.FAILED if bad else Status.SUCCEEDED, exit_code=int(bad))
    run.refresh_from_db()
    return report


def make_tested_run(
    project: Project, found: Sequence[Case], *, coverage: Coverage | None = None, **fields: object
) -> Run:
    """A finished run of one stage with a report; `fields` as make_run's."""
    run = make_run(project, spec=SPEC, **fields)
    report_stage(run, found, coverage=coverage)
    return run
