"""How runs went over time: how long they took, how many passed, how long they waited. Sums are made in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, FloatField, Func, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber

from pipelines.projects.models import Project
from pipelines.runs.models import Run, Stage
from pipelines.states.status import BAD, Status

READ = 20_000  # runs of a project, the newest: what is older is left out
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


def stretches(project: Project, ref: str, until: datetime, step: timedelta, count: int) -> list[Stretch]:
    """The last `count` stretches of `step`, the oldest first; of one full ref, or of all if it is empty. Three queries,
    whatever the number of runs."""
    since = until - count * step
    runs = Run.objects.filter(project=project, created_at__gte=since, created_at__lt=until)
    runs = runs.filter(number__gte=project.next_run_number - READ)
    runs = runs.filter(ref=ref) if ref else runs
    placed = runs.annotate(stretch=_Stretch("created_at", since=since, step=step)).order_by()
    counts = _counts(placed)
    took, waited = _took(placed), _waited(placed)
    return [
        Stretch(
            since + place * step,
            since + (place + 1) * step,
            *counts.get(place, (0, 0)),
            took.get((place, _MEDIAN)),
            took.get((place, _NINE)),
            waited.get((place, _MEDIAN)),
            waited.get((place, _NINE)),
        )
        for place in range(count)
    ]


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


class _Stretch(Func):
    """Which stretch a moment is in, from 0."""

    arity = 1
    output_field = IntegerField()

    def __init__(self, moment: str, since: datetime, step: timedelta) -> None:
        super().__init__(_Seconds(moment))
        self.extra = {"since": f"{since.timestamp():.6f}", "step": f"{step.total_seconds():.6f}"}

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST((%(expressions)s - %(since)s) / %(step)s AS INTEGER)"
        return super().as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "FLOOR((%(expressions)s - %(since)s) / %(step)s)::integer"
        return super().as_sql(compiler, connection, template=template, **context)


def _counts(placed: QuerySet[Any]) -> dict[int, tuple[int, int]]:
    """Stretch → how many ended on their own account, and how many of them well."""
    ended = placed.filter(status__in=[Status.SUCCEEDED, *BAD]).values("stretch")
    rows = ended.annotate(ended=Count("pk"), good=Count("pk", filter=Q(status=Status.SUCCEEDED)))
    return {place: (many, good) for place, many, good in rows.values_list("stretch", "ended", "good")}


def _took(placed: QuerySet[Any]) -> dict[tuple[int, tuple[int, int]], float]:
    good = placed.filter(status=Status.SUCCEEDED, started_at__isnull=False)
    return _shares(good.annotate(seconds=_Seconds("finished_at") - _Seconds("started_at")))


def _waited(placed: QuerySet[Any]) -> dict[tuple[int, tuple[int, int]], float]:
    begun = Stage.objects.filter(run=OuterRef("pk"), started_at__isnull=False, taken_from=None).order_by()
    first = begun.values("run").annotate(first=Min("started_at")).values("first")
    rows = placed.annotate(first=Subquery(first)).filter(first__isnull=False)
    return _shares(rows.annotate(seconds=_Seconds("first") - _Seconds("created_at")))


def _shares(rows: QuerySet[Any]) -> dict[tuple[int, tuple[int, int]], float]:
    """(Stretch, share) → the `seconds` that this share of its runs does not exceed."""
    ranked = rows.annotate(
        place=Window(RowNumber(), partition_by=[F("stretch")], order_by=F("seconds").asc()),
        many=Window(Count("pk"), partition_by=[F("stretch")]),
    )
    # The share's place is the first of which of × place ≥ parts × many.
    wanted = [
        Q(**{f"reach_{of}__gte": F("many") * parts, f"reach_{of}__lt": F("many") * parts + of})
        for parts, of in (_MEDIAN, _NINE)
    ]
    ranked = ranked.annotate(reach_2=F("place") * 2, reach_10=F("place") * 10)
    found: dict[tuple[int, tuple[int, int]], float] = {}
    for stretch, place, many, seconds in ranked.filter(wanted[0] | wanted[1]).values_list(
        "stretch", "place", "many", "seconds"
    ):
        for parts, of in (_MEDIAN, _NINE):
            if parts * many <= of * place < parts * many + of:
                found[stretch, (parts, of)] = max(seconds, 0.0)
    return found
