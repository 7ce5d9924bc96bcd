"""What pages ask about acts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from pipelines.audit.models import Act

_AT_ONCE = 500  # rows that are held while all are read


@dataclass(frozen=True, slots=True)
class Search:
    """Which acts: those whose texts hold these, of this verb, of these days and those between. Empty: all."""

    actor: str = ""
    about: str = ""
    verb: str = ""
    since: date | None = None
    until: date | None = None


def find(search: Search) -> QuerySet[Act]:
    """In no order."""
    acts = Act.objects.all()
    if search.actor:
        acts = acts.filter(actor__icontains=search.actor)
    if search.about:
        acts = acts.filter(subject__icontains=search.about)
    if search.verb:
        acts = acts.filter(verb=search.verb)
    if search.since:
        acts = acts.filter(at__gte=_midnight(search.since))
    if search.until:
        acts = acts.filter(at__lt=_midnight(search.until + timedelta(days=1)))
    return acts


def verbs() -> list[str]:
    """All that has ever been done."""
    return list(Act.objects.order_by("verb").values_list("verb", flat=True).distinct())


def each(acts: QuerySet[Act]) -> Iterator[Act]:
    """All of them, the oldest first, portion by portion: no transaction is open while somebody reads slowly."""
    last = 0
    while rows := list(acts.filter(pk__gt=last).order_by("pk")[:_AT_ONCE]):
        yield from rows
        last = rows[-1].pk


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
