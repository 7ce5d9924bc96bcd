"""How runs went over time: how long they took, how many passed, how long they waited.

One question reads a few numbers of each run, and the shares are found here: windows of the database would read the runs
again for every figure, and once more for all of them together.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import FloatField, Func, Min, OuterRef, Subquery

from pipelines.projects.models import Project
from pipelines.runs.models import Run, Stage
from pipelines.states.status import BAD, Status

# How long a look is, and of which stretches it is made: days.
SPANS = {"month": (30, 1), "quarter": (91, 7), "year": (364, 7)}
READ = 5_000  # runs of a project, the newest: what is older is left out, and `Look.back_to` says so
# (parts, of) of a whole: the median and what nine of ten do not exceed.
_MEDIAN, _NINE = (1, 2), (9, 10)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Runs that were asked for between `start` and `end`. What cannot be said, for want of any run, is None.

    `ended`: those that ended on their own account; `took` are seconds of those that succeeded, `waited` seconds from
    the push until the first stage was at work; of each the median and what nine of ten do not exceed.
    """

    start: datetime
    end: datetime
    ended: int = 0
    succeeded: int = 0
    took: float | None = None
    took_most: float | None = None
    waited: float | None = None
    waited_most: float | None = None

    @property
    def passed_percent(self) -> int | None:
        return round(100 * self.succeeded / self.ended) if self.ended else None


@dataclass(frozen=True, slots=True)
class Look:
    """Stretches, the oldest first, and all of them as one. `back_to`: what is older was not read; None: all was."""

    stretches: Sequence[Stretch]
    whole: Stretch
    back_to: datetime | None


class _Went(NamedTuple):
    """A run in numbers: moments are seconds since 1970."""

    status: str
    asked: float
    took: float | None
    waited: float | None


def look(project: Project, ref: str, until: datetime, step: timedelta, count: int) -> Look:
    """The last `count` stretches of `step` before `until`; of one full ref, or of all if it is empty. One query, of a
    project with more than READ runs two."""
    since = until - count * step
    runs = _read(project, ref, since, until)
    placed: dict[int, list[_Went]] = defaultdict(list)
    for run in runs:
        placed[int((run.asked - since.timestamp()) // step.total_seconds())].append(run)
    starts = [since + place * step for place in range(count)]
    told = [_stretch(start, start + step, placed.get(place, [])) for place, start in enumerate(starts)]
    return Look(told, _stretch(since, until, runs), _back_to(project, since))


def last(project: Project, ref: str, span: str, now: datetime) -> Look:
    """As `look`: one of the SPANS, which ends with the day of `now`."""
    days, step = SPANS[span]
    end_of_day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return look(project, ref, end_of_day, timedelta(days=step), days // step)


class _Seconds(Func):
    """A moment as seconds since 1970. Django's own arithmetic for SQLite calls Python for each row."""

    arity = 1
    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "((julianday(%(expressions)s) - 2440587.5) * 86400.0)"
        return super().as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "EXTRACT(EPOCH FROM %(expressions)s)::double precision"
        return super().as_sql(compiler, connection, template=template, **context)


def _read(project: Project, ref: str, since: datetime, until: datetime) -> list[_Went]:
    # The time is compared as a number: by its index, runs of a whole year would be fetched to find the newest.
    found = Run.objects.filter(project=project, number__gte=_lowest(project)).exclude(status=Status.CANCELLED)
    found = found.filter(ref=ref) if ref else found
    found = found.annotate(asked=_Seconds("created_at")).order_by()
    found = found.filter(asked__gte=since.timestamp(), asked__lt=until.timestamp())
    begun = Stage.objects.filter(run=OuterRef("pk"), started_at__isnull=False, taken_from=None).order_by()
    first = begun.values("run").annotate(first=Min("started_at")).values("first")
    took, waited = _Seconds("finished_at") - _Seconds("started_at"), _Seconds(Subquery(first)) - _Seconds("created_at")
    return [_Went(*row) for row in found.values_list("status", "asked", took, waited)]


def _lowest(project: Project) -> int:
    return project.next_run_number - READ


def _back_to(project: Project, since: datetime) -> datetime | None:
    """When the oldest run was asked for that is read; None when all since then are."""
    if (lowest := _lowest(project)) <= 1:
        return None
    oldest = Run.objects.filter(project=project, number__gte=lowest).order_by("number")
    at = oldest.values_list("created_at", flat=True).first()
    return at if at is not None and at > since else None


def _stretch(start: datetime, end: datetime, runs: Sequence[_Went]) -> Stretch:
    good = [run for run in runs if run.status == Status.SUCCEEDED]
    ended = len(good) + sum(run.status in BAD for run in runs)
    took = sorted(run.took for run in good if run.took is not None)
    waited = sorted(run.waited for run in runs if run.waited is not None)
    shares = (_share(values, share) for values in (took, waited) for share in (_MEDIAN, _NINE))
    return Stretch(start, end, ended, len(good), *shares)


def _share(values: Sequence[float], share: tuple[int, int]) -> float | None:
    """The first of the values, in order, that this share of them does not exceed."""
    parts, of = share
    return max(values[-(-parts * len(values) // of) - 1], 0.0) if values else None
