"""What the tallies add up to, and putting them together so that there are never many."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Sum

from pipelines.errors import LostRace
from pipelines.tallies.models import Tally

AT_ONCE = 1000
_LABELS = ("counted", "project_id", "status", "kind", "words", "bucket")


@dataclass(frozen=True, slots=True)
class Total:
    """As a Tally; `words` are an environment's name or a channel's."""

    counted: str
    project_id: int | None
    status: str
    kind: str
    words: str
    bucket: int | None
    count: int
    seconds: float


def totals() -> Iterator[Total]:
    """Everything that was counted, in one statement: what is put together in that moment is neither missed nor told
    twice."""
    rows = Tally.objects.order_by().values_list(*_LABELS).annotate(Sum("count"), Sum("seconds"))
    return (Total(*row) for row in rows)


def put_together() -> int:
    """Make one row of those that say the same; returns how many there were. Of two at once one does it."""
    done = 0
    while True:
        try:
            with transaction.atomic():
                count = _put_together()
        except LostRace:
            return done
        done += count
        if count < AT_ONCE:
            return done


def _put_together() -> int:
    rows = list(Tally.objects.filter(is_sum=False).order_by("pk")[:AT_ONCE])
    found: defaultdict[tuple[object, ...], list[Tally]] = defaultdict(list)
    for row in rows:
        found[_labels(row)].append(row)
    sums = {_labels(row): row.pk for row in Tally.objects.filter(is_sum=True).order_by("-pk")} if rows else {}
    for labels, alike in found.items():
        _add(sums.get(labels), labels, sum(row.count for row in alike), sum(row.seconds for row in alike))
    deleted, _ = Tally.objects.filter(pk__in=[row.pk for row in rows]).delete()
    if deleted != len(rows):
        raise LostRace("another clock has put them together")
    return deleted


def _labels(row: Tally) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in _LABELS)


def _add(sum_pk: int | None, labels: tuple[object, ...], count: int, seconds: float) -> None:
    if sum_pk is None:
        Tally.objects.create(is_sum=True, count=count, seconds=seconds, **dict(zip(_LABELS, labels, strict=True)))
    else:
        Tally.objects.filter(pk=sum_pk).update(count=F("count") + count, seconds=F("seconds") + seconds)
