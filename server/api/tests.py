"""What a run's tests said."""

from django.http import HttpRequest
from ninja import Field, Router, Schema

from pipelines.reports import queries
from pipelines.reports.models import Report
from pipelines.reports.queries import Failure
from pipelines.states.status import Status
from server import fetching
from server.api.callers import caller
from server.api.runs import RUN

router = Router(tags=["Runs"])


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
