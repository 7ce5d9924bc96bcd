"""A report as its runner hands it in, compared at once with what the same tests said before.

The comparison is written down, not asked for again: pages need no other report for it, and it stays true when older
runs are pruned.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from pipelines.reports.cases import NOTE_MAX, NOTES_MAX, Case, Collected, find, pack
from pipelines.reports.models import Before, Report, Result, TestCase
from pipelines.runs.lifecycle import LEASE_SECONDS
from pipelines.runs.models import Attempt, Run
from pipelines.states import leases
from pipelines.states.status import BAD, Status

RESULTS_MAX = 2000  # rows of a report, those that went wrong first
TEXTS_MAX = 300  # of them with more than a message
ALIKE_MAX = 20  # other reports of the same commit that are looked at for flaky tests

_BATCH = 400  # below every database's limit of values in a question
_BEFORE = {
    Status.SUCCEEDED: Before.SUCCEEDED,
    Status.FAILED: Before.FAILED,
    Status.ERRORED: Before.FAILED,
    Status.SKIPPED: Before.SKIPPED,
}
T = TypeVar("T")


def store(attempt: Attempt, collected: Collected) -> Report:
    """Keep what an attempt's tests said. The second time, after a takeover, gives the report that is there.

    Raises LostLease, and stores nothing, when another runner has taken the attempt over.
    """
    run, cases = attempt.stage.run, collected.cases
    _make_known(run, cases)
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        report, flaky = _stored(attempt, collected)
    # Not within: stages that end together would wait for each other's rows.
    if run.trusted:
        _note_flaky(run, flaky)
    if run.trusted and run.ref == run.project.default_ref:
        _note_outcomes(run, cases)
    return report


def _stored(attempt: Attempt, collected: Collected) -> tuple[Report, set[str]]:
    """The report, and the keys of tests that it shows to be flaky."""
    if (there := Report.objects.filter(attempt=attempt).first()) is not None:
        return there, set()
    base = base_of(attempt.stage.run, attempt.stage.name)
    report = _report(attempt, collected, base)
    Report.objects.filter(run=report.run, stage=report.stage).update(superseded=True)
    report.save()
    return report, _keep_results(report, collected.cases, base)


def base_of(run: Run, stage: str) -> Report | None:
    """What the tests of a stage are compared with: its report in the newest finished run of an earlier commit, of the
    branch that a pull request is for, else of the default branch, else of the run's own."""
    finished = Report.objects.filter(
        project=run.project_id, stage=stage, superseded=False, run__trusted=True, run__finished_at__isnull=False
    )
    earlier = finished.annotate(place=Coalesce(NullIf("run__since", 0), "run__number")).filter(place__lt=_place(run))
    for ref in filter(None, (run.target, run.project.default_ref, run.ref)):
        found = earlier.filter(run__ref=ref).order_by("-place", "-run").first()
        if found is not None:
            return found
    return None


def _place(run: Run) -> int:
    """The run's place among the commits: a rerun stands where the first run of its commit stood. 0: not known then."""
    return run.since or run.number


def _make_known(run: Run, cases: Sequence[Case]) -> None:
    """A row for each test that has none yet; before the transaction, for the first report has thousands. In one order,
    so that two who make the same do not wait for each other."""
    named = {case.key: case for case in cases}
    for keys in _batches(sorted(named)):
        known = set(_cases(run, keys).values_list("key", flat=True))
        TestCase.objects.bulk_create(
            [_test_case(run, key, named[key]) for key in keys if key not in known], ignore_conflicts=True
        )


def _test_case(run: Run, key: str, case: Case) -> TestCase:
    return TestCase(
        project_id=run.project_id,
        key=key,
        name=case.name,
        suite=case.suite,
        group=case.group,
        file=case.file,
        first_run=run.number,
        last_run=_place(run),
        outcome=case.outcome,
    )


def _report(attempt: Attempt, collected: Collected, base: Report | None) -> Report:
    cases, coverage, run = collected.cases, collected.coverage, attempt.stage.run
    notes = [note[:NOTE_MAX] for note in collected.notes[:NOTES_MAX]]
    if (kept := sum(map(_is_kept, cases))) > RESULTS_MAX:
        notes.append(f"Only {RESULTS_MAX} of {kept} tests that did not succeed are kept with what they said.")
    return Report(
        attempt=attempt,
        project_id=run.project_id,
        run=run,
        stage=attempt.stage.name,
        base=base,
        succeeded=sum(case.outcome == Status.SUCCEEDED for case in cases),
        failed=collected.failures,
        skipped=sum(case.outcome == Status.SKIPPED for case in cases),
        seconds=sum(case.seconds or 0 for case in cases),
        covered=coverage.covered if coverage else None,
        coverable=coverage.valid if coverage else None,
        notes=notes,
        cells=pack(cases),
    )


def _is_kept(case: Case) -> bool:
    return case.flaky or case.outcome != Status.SUCCEEDED


def _keep_results(report: Report, cases: Sequence[Case], base: Report | None) -> set[str]:
    kept = sorted(filter(_is_kept, cases), key=lambda case: (not case.is_bad, not case.flaky))[:RESULTS_MAX]
    ids = _ids(report.run, [case.key for case in kept])
    flaky = _found_flaky(report, cases)
    results = []
    for place, case in enumerate(kept):
        results.append(
            Result(
                report=report,
                test_id=ids[case.key],
                outcome=case.outcome,
                before=_before(base, case.key) if case.is_bad else "",
                flaky=case.flaky or (case.is_bad and case.key in flaky),
                seconds=case.seconds,
                message=case.message,
                text=case.text if place < TEXTS_MAX else "",
                file=case.file,
                line=case.line,
            )
        )
    Result.objects.bulk_create(results, batch_size=_BATCH)
    return flaky | {case.key for case in kept if case.flaky}


def _before(base: Report | None, key: str) -> str:
    if base is None:
        return ""
    found = find(bytes(base.cells), key)
    return Before.ABSENT if found is None else _BEFORE[found[0]]


def _found_flaky(report: Report, cases: Sequence[Case]) -> set[str]:
    """Keys of tests that failed on one commit, in one stage, and succeeded there as well: now or in another attempt."""
    alike = list(
        Report.objects.filter(project=report.project_id, stage=report.stage, run__sha=report.run.sha)
        .exclude(pk=report.pk)
        .order_by("-pk")[:ALIKE_MAX]
    )
    if not alike:
        return set()
    succeeded = {case.key for case in cases if case.outcome == Status.SUCCEEDED}
    flaky = {case.key for case in cases if case.is_bad and any(_succeeded(other, case.key) for other in alike)}
    failures = Result.objects.filter(report__in=alike, outcome__in=BAD).values_list("pk", "test__key")
    now_well = {pk: key for pk, key in failures if key in succeeded}
    for pks in _batches(list(now_well)):
        Result.objects.filter(pk__in=pks).update(flaky=True)
    return flaky | set(now_well.values())


def _succeeded(report: Report, key: str) -> bool:
    found = find(bytes(report.cells), key)
    return found is not None and found[0] == Status.SUCCEEDED


def _note_flaky(run: Run, keys: Iterable[str]) -> None:
    for some in _batches(sorted(keys)):
        _cases(run, some).update(flaky_at=timezone.now())


def _note_outcomes(run: Run, cases: Sequence[Case]) -> None:
    """How each test stands on the default branch; an overtaken run says nothing any more."""
    by_outcome: dict[Status, list[str]] = {}
    place = _place(run)
    for case in cases:
        by_outcome.setdefault(case.outcome, []).append(case.key)
    for outcome, keys in by_outcome.items():
        for some in _batches(sorted(keys)):
            _cases(run, some).filter(last_run__lte=place).update(outcome=outcome, last_run=place)


def _cases(run: Run, keys: Sequence[str]) -> QuerySet[TestCase]:
    return TestCase.objects.filter(project=run.project_id, key__in=keys)


def _ids(run: Run, keys: Sequence[str]) -> Mapping[str, int]:
    return {key: pk for some in _batches(keys) for key, pk in _cases(run, some).values_list("key", "pk")}


def _batches(rows: Sequence[T]) -> Iterable[Sequence[T]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
