"""Who owns work under way until when, on one clock: the database's."""

from datetime import timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Model, Q, QuerySet, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from pipelines.errors import LostRace

M = TypeVar("M", bound=Model)

MAX_DEATHS = 8  # work that outlived so many owners takes its owners down; it is not given another
# Then nothing is known to be wrong with the work: it is left as it stands, and whoever takes it over goes on.
DATABASE_AWAY = (OperationalError, InterfaceError)


class LostLease(LostRace):
    """Another runner has taken this work over; whatever was in hand must not be written."""


def until(seconds: float) -> Combinable:
    """The database's time `seconds` from now."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


def expired() -> Q:
    """Rows whose owner has not renewed in time."""
    return Q(lease_until__lt=Now())


def free() -> Q:
    """Rows that nobody owns, or whose owner has not renewed in time."""
    return Q(lease_until=None) | expired()


def renew(rows: QuerySet[M], fence: int, seconds: float) -> None:
    """Prolong the lease of the one row in `rows`; raises LostLease if `fence` is no longer its fence."""
    if rows.filter(fence=fence, finished_at=None).update(lease_until=until(seconds)) != 1:
        raise LostLease("the lease was taken over by another runner")


def take_over(rows: QuerySet[M], owner: str, seconds: float, fence: int | None = None) -> None:
    """Own the one row in `rows` that nobody owns, or whose owner has died, with a higher fence; else raises LostRace.

    An owner that has let go has not died: only deaths are counted.
    """
    taken = rows.filter(free(), finished_at=None).update(
        owner=owner,
        lease_until=until(seconds),
        fence=F("fence") + 1 if fence is None else fence,
        deaths=Case(When(owner="", then=F("deaths")), default=F("deaths") + 1),
    )
    if taken != 1:
        raise LostRace("somebody else has taken it over, or its owner is alive")


def let_go(rows: QuerySet[M], fence: int) -> None:
    """End one's own lease now, so that another runner need not wait for it to run out."""
    rows.filter(fence=fence, finished_at=None).update(owner="", lease_until=until(-1))


def passed(field: str) -> Q:
    """Rows whose moment in `field` has come."""
    return Q(**{f"{field}__lte": Now()})
