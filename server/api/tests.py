"""What a run's tests said, which tests a project has, and what became of one of them."""

from datetime import datetime
from typing import Any, Literal

from django.db.models import Q
from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema

from pipelines.reports import queries
from pipelines.reports.models import Report, Result, TestCase
from pipelines.reports.queries import Failure, Past
from pipelines.states.status import Status
from server import fetching
from server.api.callers import caller
from server.api.paging import Page, Paging
from server.api.runs import RUN
from server.api.shapes.words import Short

router = Router(tags=["Tests"])


class ReportShape(Schema):
    stage: str
    succeeded: int
    failed: int
    skipped: int
    seconds: float
    covered_percent: float | None
    notes: list[str] = Field(description="What could not be read, and what was cut")


class FailureShape(Schema):
    """A test that failed; `is_new`: where it is compared with, it did not."""

    key: str
    name: str
    group: str
    stages: list[str]
    outcome: Status
    is_new: bool
    seconds: float | None
    message: str
    text: str = Field(description="Of the first ones; empty for the rest")
    place: str


class TestsShape(Schema):
    reports: list[ReportShape]
    failures: list[FailureShape]
    flaky: list[str] = Field(description="Names of tests that showed both results on this commit")


class TestShape(Schema):
    """A test that the project has; `outcome` is that of the last run of the default branch that told of it."""

    key: str
    name: str
    suite: str
    group: str
    file: str
    outcome: Status
    flaky_at: datetime | None = Field(description="When it last showed both results on one commit")
    first_run: int
    last_run: int


class PastShape(Schema):
    run: int
    stage: str
    ref: str
    outcome: Status
    seconds: float | None


class SaidShape(Schema):
    """What it said when it failed."""

    run: int
    stage: str
    outcome: Status
    message: str
    text: str
    place: str


class WholeTest(TestShape):
    past: list[PastShape] = Field(description="Newest first: in the last 100 reports of the project")
    failures: list[SaidShape] = Field(description="The last ones, newest first")


class WantedTests(Paging):
    """Tests whose name, group or file have each of the words of `q` in them."""

    q: Short = ""
    show: Literal["failing", "flaky"] | None = None


@router.get("/projects/{slug:project}/tests", response=Page[TestShape])
def tests(request: HttpRequest, project: str, wanted: Query[WantedTests]) -> Page[TestShape]:
    """The tests of a project, by name."""
    found = fetching.project(caller(request), project)
    start = wanted.before or 0
    stands = queries.STANDS[wanted.show] if wanted.show else Q()
    rows = list(queries.search(found, wanted.q).filter(stands)[start : start + wanted.limit + 1])
    following = str(start + wanted.limit) if len(rows) > wanted.limit else None
    return Page(items=[TestShape(**_columns(one)) for one in rows[: wanted.limit]], next=following)


@router.get("/projects/{slug:project}/tests/{slug:test}", response=WholeTest)
def test(request: HttpRequest, project: str, test: str) -> WholeTest:
    """One test by its key: how it ended in run after run, and what it said when it failed."""
    one = fetching.project(caller(request), project).test_cases.filter(key=test).first()
    if one is None:
        raise Http404
    past, failures = queries.past(one), queries.last_failures(one)
    return WholeTest(**_columns(one), past=[_past(row) for row in past], failures=[_said(row) for row in failures])


@router.get(RUN + "/tests", response=TestsShape)
def run_tests(request: HttpRequest, project: str, number: int) -> TestsShape:
    """How many tests ran in each stage, which failed, and which are flaky."""
    run = fetching.run(caller(request), project, number)
    reports = queries.of_run(run)
    return TestsShape(
        reports=[_report(one) for one in reports],
        failures=[_failure(one) for one in queries.failures(reports)],
        flaky=[one.test.name for one in queries.flaky(run, reports)],
    )


def _report(one: Report) -> ReportShape:
    return ReportShape(
        stage=one.stage,
        succeeded=one.succeeded,
        failed=one.failed,
        skipped=one.skipped,
        seconds=one.seconds,
        covered_percent=round(one.coverage.percent, 2) if one.coverage else None,
        notes=[str(note) for note in one.notes],
    )


def _failure(one: Failure) -> FailureShape:
    return FailureShape(
        key=one.test.key,
        name=one.test.name,
        group=one.test.group,
        stages=one.stages,
        outcome=Status(one.first.outcome),
        is_new=one.is_new,
        seconds=one.first.seconds,
        message=one.first.message,
        text=one.text,
        place=one.first.place,
    )


def _columns(one: TestCase) -> dict[str, Any]:
    return {
        "key": one.key,
        "name": one.name,
        "suite": one.suite,
        "group": one.group,
        "file": one.file,
        "outcome": one.outcome,
        "flaky_at": one.flaky_at,
        "first_run": one.first_run,
        "last_run": one.last_run,
    }


def _past(one: Past) -> PastShape:
    report = one.report
    return PastShape(
        run=report.run.number, stage=report.stage, ref=report.run.ref, outcome=one.outcome, seconds=one.seconds
    )


def _said(row: Result) -> SaidShape:
    return SaidShape(
        run=row.report.run.number,
        stage=row.report.stage,
        outcome=Status(row.outcome),
        message=row.message,
        text=row.text,
        place=row.place,
    )
