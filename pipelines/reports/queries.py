"""What pages ask about tests; each question is a bounded number of queries over a bounded number of rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Case, Count, F, Max, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from pipelines.projects.models import Project
from pipelines.reports.cases import CASES_MAX, find, told, unpack
from pipelines.reports.models import NEW, Report, Result, TestCase
from pipelines.runs.models import Run, Stage
from pipelines.states.status import BAD, Status, worst

RESULTS_SHOWN = 500  # results of a run that went wrong, in all its stages
TEXTS_SHOWN = 20
HISTORY = 12  # reports of a stage that a test is followed back through
REPORTS_SEARCHED = 100  # reports of a project in which a test's past is looked for
FOUND_MAX = 500  # tests that a search may find
STANDS = {"failing": Q(outcome__in=BAD), "flaky": Q(flaky_at__isnull=False)}  # how a test may stand


@dataclass(frozen=True, slots=True)
class Tally:
    """How many tests of a run failed, each counted once whatever the stages, and how many of them not on the base."""

    failed: int
    new: int

    def __str__(self) -> str:
        return told(self.failed, self.new) if self.failed else ""


@dataclass(slots=True)
class Standing:
    """One test in the reports of a run: its worst outcome, the stages that it ended so in, the longest that it took."""

    key: str
    outcome: Status
    seconds: float | None
    stages: list[str] = field(default_factory=list)
    test: TestCase | None = None


@dataclass(slots=True)
class Failure:
    """A test that failed in a run, in one or several of its stages; `first` is where it is told of."""

    test: TestCase
    first: Result
    stages: list[str]
    text: str = ""

    @property
    def is_new(self) -> bool:
        return self.first.is_new


@dataclass(frozen=True, slots=True)
class Past:
    """How a test ended in one report."""

    report: Report
    outcome: Status
    seconds: float | None


def tallies(runs: Iterable[int]) -> Mapping[int, Tally]:
    """Run id → its failed tests, in one query; a run without any is not in it."""
    failures = Result.objects.filter(report__run__in=runs, report__superseded=False, outcome__in=BAD)
    counted = failures.values("report__run").annotate(
        tests=Count("test", distinct=True),
        new=Count("test", distinct=True, filter=Q(before__in=NEW)),
        most=Max("report__failed"),  # rows are bounded, this count is not
    )
    return {row["report__run"]: Tally(max(row["tests"], row["most"]), row["new"]) for row in counted}


def tally(run: Run) -> Tally:
    """`str()` of it is the sentence: `3 tests failed, 2 of them new`; empty when none did."""
    return tallies([run.pk]).get(run.pk, Tally(0, 0))


def of_run(run: Run) -> list[Report]:
    """The reports of a run's stages, each of the last attempt that has one; without the tests themselves. A rerun shows
    those of the stages that it took over."""
    taken = list(Stage.objects.filter(run=run, taken_from__isnull=False).values_list("taken_from", flat=True))
    elsewhere = list(Report.objects.filter(attempt__stage__in=taken).values_list("pk", flat=True)) if taken else []
    reports = Report.objects.filter(Q(run=run) | Q(pk__in=elsewhere), superseded=False)
    reports = reports.select_related("base__run", "run").defer("cells", "base__cells")
    return list(reports.order_by("attempt__stage__position", "pk"))


def failures(reports: Sequence[Report]) -> list[Failure]:
    """New ones first, then by name; the first of them with what they said."""
    rows = Result.objects.filter(report__in=reports, outcome__in=BAD).select_related("test").defer("text")
    newest_first = Case(When(before__in=NEW, then=Value(0)), default=Value(1))
    stages = {report.pk: report.stage for report in reports}
    found: dict[int, Failure] = {}
    for row in rows.order_by(newest_first, "test__name", "test_id", "report_id")[:RESULTS_SHOWN]:
        failure = found.setdefault(row.test_id, Failure(row.test, row, []))
        failure.stages.append(stages[row.report_id])
    _tell(list(found.values())[:TEXTS_SHOWN])
    return list(found.values())


def flaky(run: Run, reports: Sequence[Report]) -> list[Result]:
    """Results of tests that showed both on this run's commit, in this run or in another; the newest of each test."""
    rows = Result.objects.filter(
        flaky=True,
        report__project=run.project_id,
        report__run__sha=run.sha,
        report__stage__in=[report.stage for report in reports],
    )
    rows = rows.select_related("test", "report__run").defer("text", "report__cells").order_by("-pk")[:RESULTS_SHOWN]
    found: dict[int, Result] = {}
    for row in rows:
        found.setdefault(row.test_id, row)
    return sorted(found.values(), key=lambda row: row.test.name)


def standings(reports: Sequence[Report]) -> list[Standing]:
    """Every test of the reports, once, in their order; without its name: see `named`."""
    stages = {report.pk: report.stage for report in reports}
    found: dict[str, Standing] = {}
    for pk, cells in Report.objects.filter(pk__in=stages).order_by("pk").values_list("pk", "cells"):
        for key, outcome, seconds in unpack(bytes(cells)):
            _merge(found.setdefault(key, Standing(key, outcome, None)), outcome, seconds, stages[pk])
        if len(found) > CASES_MAX:
            break
    return list(found.values())


def named(project: Project, standings: Sequence[Standing]) -> list[Standing]:
    """The same with their names; at most FOUND_MAX."""
    some = standings[:FOUND_MAX]
    tests = {test.key: test for test in project.test_cases.filter(key__in=[one.key for one in some])}
    for one in some:
        one.test = tests.get(one.key)
    return [one for one in some if one.test is not None]


def search(project: Project, words: str) -> QuerySet[TestCase]:
    """Tests whose name, group or file have each of the words in them."""
    found = TestCase.objects.filter(project=project)
    for word in words.split()[:5]:
        found = found.filter(Q(name__icontains=word) | Q(group__icontains=word) | Q(file__icontains=word))
    return found.order_by("name", "pk")


def matching(project: Project, words: str, standings: Sequence[Standing]) -> list[Standing]:
    """Those that a search finds, with their names."""
    tests = {test.key: test for test in search(project, words)[: 4 * FOUND_MAX]}
    return named(project, [one for one in standings if one.key in tests])


def histories(run: Run, stage_of: Mapping[str, str]) -> Mapping[str, list[Past]]:
    """Key → how the test ended in its stage up to this run, oldest first, in two queries: on the default branch and on
    the run's own. `stage_of` is the stage in which each is followed."""
    near = Q(run=run) | Q(run__trusted=True, run__ref=run.project.default_ref) | Q(run__ref=run.ref)
    ranked = Report.objects.filter(
        near, project=run.project_id, stage__in=set(stage_of.values()), superseded=False, run__lte=run.pk
    ).annotate(place=Window(RowNumber(), partition_by=F("stage"), order_by=F("run").desc()))
    newest = list(ranked.filter(place__lte=HISTORY).values_list("pk", flat=True))  # the rows are wide
    found: dict[str, list[Past]] = defaultdict(list)
    for report in Report.objects.filter(pk__in=newest).select_related("run").order_by("run"):
        for key, stage in stage_of.items():
            if stage == report.stage and (past := _past(report, key)) is not None:
                found[key].append(past)
        report.cells = b""  # many, and large
    return found


def past(test: TestCase) -> list[Past]:
    """How a test ended in the last reports of its project, newest first."""
    reports = Report.objects.filter(project=test.project_id, superseded=False).select_related("run")
    found = []
    for report in reports.order_by("-run", "-pk")[:REPORTS_SEARCHED].iterator(chunk_size=10):
        if (one := _past(report, test.key)) is not None:
            found.append(one)
        report.cells = b""
    return found


def last_failures(test: TestCase, limit: int = 10) -> list[Result]:
    """What it said when it failed, newest first."""
    rows = test.results.filter(outcome__in=BAD).select_related("report__run").defer("report__cells")
    return list(rows.order_by("-pk")[:limit])


def failing_since(history: Sequence[Past]) -> Run | None:
    """The run of the first of the failures in a row at the end of a history; None when it does not end with one, or
    when it fails as far back as it goes."""
    since = None
    for one in reversed(history):
        if one.outcome not in BAD:
            return since
        since = one.report.run
    return None


def _tell(failures: Sequence[Failure]) -> None:
    texts = dict(Result.objects.filter(pk__in=[one.first.pk for one in failures]).values_list("pk", "text"))
    for one in failures:
        one.text = texts.get(one.first.pk, "")


def _merge(standing: Standing, outcome: Status, seconds: float | None, stage: str) -> None:
    whole = worst((standing.outcome, outcome))
    standing.stages = [stage] if whole != standing.outcome else [*standing.stages, *[stage] * (outcome == whole)]
    standing.outcome = whole
    if seconds is not None:
        standing.seconds = max(seconds, standing.seconds or 0.0)


def _past(report: Report, key: str) -> Past | None:
    found = find(bytes(report.cells), key)
    return None if found is None else Past(report, *found)
