"""Tests by name: what those of a run said, what became of one of them, and all that a project has."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.reports import queries
from pipelines.reports.models import Before, Report, TestCase
from pipelines.reports.queries import Failure, Past, Standing
from pipelines.runs.models import Run, Stage
from pipelines.runs.queries import queued_at
from pipelines.states.status import BAD, Status
from server import durations
from server.sentences import counted
from server.web import fetching, pictures
from server.web.drawings import ribs as bars

PAGE = 100
SLOWEST = 50
BARS = 40
_SHOWN = ("failed", "slowest", "flaky", "all")


@dataclass(frozen=True, slots=True)
class Row:
    """One test in a table. `note` says what is particular; `ribs` are its last reports, if they are drawn."""

    test: TestCase
    outcome: str
    place: str
    seconds: float | None
    stages: tuple[str, ...]
    where: str = ""
    note: str = ""
    ribs: bars.Ribs | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a failed test said, and since when it fails."""

    test: TestCase
    message: str
    text: str
    since: str


@login_required
def of_run(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number)
    stages, every = list(found.stages.all()), queries.of_run(found)
    stage = request.GET.get("stage", "")
    reports = [report for report in every if report.stage == stage] if stage else every
    page = {
        "run": found,
        "project": found.project,
        "seconds": durations.so_far(found),
        "graph": pictures.graph(stages) if stages else None,
        "timeline": pictures.timeline(found, stages, queued_at(stages)) if stages else None,
        "stage": stage,
        "reports": reports,
        "tally": queries.tally(found),
        "coverages": _told((report.stage, line) for report in reports if (line := _coverage(report))),
        "notes": _told((report.stage, note) for report in reports for note in report.notes),
        "silence": "" if reports else _silence(found, stages, stage),
        "subjects": f"run:{found.pk}",
        **(_shown(request, found, reports) if reports else {}),
    }
    return render(request, "run_tests.html", page)


@login_required
def test(request: HttpRequest, project: str, key: str) -> HttpResponse:
    found = fetching.project(request, project)
    one = found.test_cases.filter(key=key).first()
    if one is None:
        raise Http404
    past = queries.past(one)
    page = {
        "project": found,
        "test": one,
        "past": past,
        "searched": queries.REPORTS_SEARCHED,
        "ribs": _drawn(past[:BARS][::-1], BARS),
        "failures": queries.last_failures(one),
        "subjects": f"project:{found.pk}",
    }
    return render(request, "test.html", page)


@login_required
def of_project(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project)
    words, show = request.GET.get("q", "")[:200].replace("\0", ""), request.GET.get("show", "")
    start = fetching.whole_number(request.GET.get("from")) or 0
    tests = queries.search(found, words).filter(queries.STANDS.get(show, Q()))
    listed = list(tests[start : start + PAGE + 1])
    page = {
        "project": found,
        "tests": listed[:PAGE],
        "later": start + PAGE if len(listed) > PAGE else None,
        "words": words,
        "show": show if show in queries.STANDS else "",
        "subjects": f"project:{found.pk}",
        **found.test_cases.aggregate(
            known=Count("pk"),
            failing=Count("pk", filter=queries.STANDS["failing"]),
            flaky=Count("pk", filter=queries.STANDS["flaky"]),
        ),
    }
    return render(request, "tests.html", page)


def _shown(request: HttpRequest, run: Run, reports: Sequence[Report]) -> dict[str, Any]:
    """The chosen table, with the numbers of all of them."""
    standings, failures = queries.standings(reports), queries.failures(reports)
    flaky = _flaky(run, reports)
    words, wanted = request.GET.get("q", "")[:200].replace("\0", ""), request.GET.get("show", "")
    show = wanted if wanted in _SHOWN else "all" if words or not failures else "failed"
    start = fetching.whole_number(request.GET.get("from")) or 0
    rows = {"failed": lambda: _failed(failures), "flaky": lambda: flaky}.get(show)
    listed = rows() if rows else _listed(run, standings, show, words, start)
    if show in ("failed", "flaky") and words:
        listed = [row for row in listed if _matches(row, words)]
    histories = queries.histories(run, {row.test.key: row.stages[0] for row in listed[:PAGE] if row.stages})
    return {
        "rows": [_finished(row, histories, len(reports)) for row in listed[:PAGE]],
        "left_out": max(len(listed) - PAGE, 0),
        "later": start + PAGE if show == "all" and not words and len(standings) > start + PAGE else None,
        "show": show,
        "words": words,
        "counts": _counts(standings),
        "flaky": len(flaky),
        "all": len(standings),
        "said": _said(failures, reports, histories) if show == "failed" else [],
    }


def _failed(failures: Sequence[Failure]) -> list[Row]:
    return [
        Row(
            one.test,
            one.first.outcome,
            one.first.place or one.test.group,
            one.first.seconds,
            tuple(one.stages),
            note="new" if one.is_new else "flaky" if one.first.flaky else "",
        )
        for one in failures
    ]


def _flaky(run: Run, reports: Sequence[Report]) -> list[Row]:
    return [
        Row(
            one.test,
            one.outcome,
            one.place or one.test.group,
            one.seconds,
            (one.report.stage,),
            note=f"in run {one.report.run.number}" if one.report.run_id != run.pk else "flaky",
        )
        for one in queries.flaky(run, reports)
    ]


def _listed(run: Run, standings: Sequence[Standing], show: str, words: str, start: int) -> list[Row]:
    if show == "slowest":
        standings = sorted(standings, key=lambda one: -(one.seconds or 0))
    if words:
        named = queries.matching(run.project, words, standings)
    else:
        named = queries.named(run.project, standings[:SLOWEST] if show == "slowest" else standings[start:][:PAGE])
    return [
        Row(one.test, one.outcome, one.test.file or one.test.group, one.seconds, tuple(one.stages))
        for one in named
        if one.test is not None
    ]


def _matches(row: Row, words: str) -> bool:
    text = f"{row.test.name} {row.test.group} {row.place}".lower()
    return all(word in text for word in words.lower().split())


def _finished(row: Row, histories: Mapping[str, Sequence[Past]], stages: int) -> Row:
    """With its history drawn, and its stages in words unless there is only one."""
    history = histories.get(row.test.key, [])
    return replace(
        row,
        ribs=_drawn(history, queries.HISTORY) if history else None,
        where=_where(row.stages, stages) if stages > 1 else "",
    )


def _told(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Each line once, with the stages that say so."""
    stages: dict[str, list[str]] = {}
    for stage, line in lines:
        stages.setdefault(line, []).append(stage)
    return [f"{_named(alike)}: {line}" for line, alike in stages.items()]


def _named(stages: Sequence[str]) -> str:
    *others, last = stages
    return f"{', '.join(others)} and {last}" if others else last


def _where(stages: Sequence[str], of: int) -> str:
    if len(stages) == of:
        return "in every stage"
    return _named(stages) if len(stages) > 1 else f"{stages[0]} only"


def _drawn(history: Sequence[Past], places: int) -> bars.Ribs:
    drawn = [bars.Bar(one.outcome, one.seconds, f"run {one.report.run.number}") for one in history]
    return bars.draw(drawn, places)


def _said(
    failures: Sequence[Failure], reports: Sequence[Report], histories: Mapping[str, Sequence[Past]]
) -> list[Said]:
    bases = {report.pk: report.base for report in reports}
    return [
        Said(one.test, one.first.message, one.text, _since(one, bases, histories.get(one.test.key, [])))
        for one in failures[: queries.TEXTS_SHOWN]
        if one.text or one.first.message
    ]


def _since(failure: Failure, bases: Mapping[int, Report | None], history: Sequence[Past]) -> str:
    base = bases[failure.first.report_id]
    if not failure.first.before:
        return "there is no earlier run to compare with"
    compared = f"run {base.run.number} on {base.run.ref_name}" if base else "the run before"
    if failure.first.before == Before.FAILED:
        since = queries.failing_since(history)
        return f"fails since run {since.number}" if since else f"failed in {compared} as well"
    words = {
        Before.SUCCEEDED: "it passed in",
        Before.SKIPPED: "it was skipped in",
        Before.ABSENT: "it was not there in",
    }
    return f"new: {words[Before(failure.first.before)]} {compared}"


def _counts(standings: Sequence[Standing]) -> str:
    """1,180 succeeded, 2 failed, 22 skipped."""
    found = Counter("failed" if one.outcome in BAD else str(one.outcome) for one in standings)
    kinds = (Status.SUCCEEDED, Status.FAILED, Status.SKIPPED)
    return ", ".join(f"{found[kind]:,} {kind}" for kind in kinds if found[kind]) or "no test"


def _coverage(report: Report) -> str:
    """How much of the code the tests of a stage ran, compared with the base."""
    coverage, base = report.coverage, report.base
    if coverage is None:
        return ""
    told = f"{coverage.percent:.1f} % of the lines were run by tests"
    before = base.coverage if base else None
    if base is None or before is None:
        return told
    change = round(coverage.percent - before.percent, 1)
    compared = f"run {base.run.number} on {base.run.ref_name}"
    if not change:
        return f"{told}, as in {compared}"
    return f"{told}, {abs(change):.1f} points {'more' if change > 0 else 'less'} than in {compared}"


def _silence(run: Run, stages: Sequence[Stage], stage: str) -> str:
    """Why there is no report, and what to do about it; the page adds an example where none is asked for."""
    asking = [one for one in stages if any((one.spec.get("reports") or {}).values())]
    if stage and stage not in {one.name for one in asking}:
        return f"The stage {stage} names no reports."
    if not stages or not asking:
        return "" if run.is_final or stages else "Known once the pipeline file is read."
    waiting = [one for one in asking if not one.is_final]
    if waiting:
        return f"Known when {waiting[0].name} has ended."
    ended = counted(len(asking), "stage names", "stages name")
    return f"{ended} reports, but none was handed in: see why it did not run in its log."
