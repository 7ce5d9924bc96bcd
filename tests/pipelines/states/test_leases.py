"""Leases run on the database's clock; the fence proves who holds one."""

from datetime import timedelta

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from pipelines.errors import LostRace
from pipelines.runs.models import Attempt
from pipelines.states import leases
from pipelines.states.leases import LostLease
from tests.factories import make_run, start_stage
from tests.rivals import race

pytestmark = pytest.mark.django_db

A_MOMENT = timedelta(milliseconds=1)  # finer than SQLite's clock


@pytest.fixture
def attempt() -> Attempt:
    return start_stage(make_run())


def _row(attempt: Attempt) -> QuerySet[Attempt]:
    return Attempt.objects.filter(pk=attempt.pk)


def test_a_fresh_lease_ends_in_the_future_and_cannot_be_taken_over(attempt: Attempt) -> None:
    begun = timezone.now()
    leases.renew(_row(attempt), attempt.fence, 600)
    until = _row(attempt).get().lease_until
    assert until is not None
    ending = timedelta(seconds=600)
    assert begun - A_MOMENT + ending <= until <= timezone.now() + A_MOMENT + ending
    assert not _row(attempt).filter(leases.expired()).exists()
    with pytest.raises(LostRace):
        leases.take_over(_row(attempt), "rival", 6)


def test_an_owner_that_let_go_has_not_died(attempt: Attempt) -> None:
    leases.let_go(_row(attempt), attempt.fence)
    assert _row(attempt).get().owner == ""
    leases.take_over(_row(attempt), "rival", 6)
    assert _row(attempt).get().deaths == 0
    _row(attempt).update(lease_until=leases.until(-1))
    leases.take_over(_row(attempt), "another", 6)
    assert _row(attempt).get().deaths == 1


def test_an_expired_lease_is_taken_over_with_a_higher_fence(attempt: Attempt) -> None:
    leases.let_go(_row(attempt), attempt.fence)
    assert _row(attempt).filter(leases.expired()).exists()
    leases.take_over(_row(attempt), "rival", 6)
    taken = _row(attempt).get()
    assert (taken.owner, taken.fence) == ("rival", attempt.fence + 1)
    assert not _row(attempt).filter(leases.expired()).exists()


def test_the_former_owner_can_neither_renew_nor_let_go_after_a_takeover(attempt: Attempt) -> None:
    leases.let_go(_row(attempt), attempt.fence)
    leases.take_over(_row(attempt), "rival", 6)
    with pytest.raises(LostLease):
        leases.renew(_row(attempt), attempt.fence, 6)
    leases.let_go(_row(attempt), attempt.fence)
    assert not _row(attempt).filter(leases.expired()).exists()


def test_a_late_owner_whom_nobody_has_replaced_may_renew(attempt: Attempt) -> None:
    leases.let_go(_row(attempt), attempt.fence)
    leases.renew(_row(attempt), attempt.fence, 6)
    assert not _row(attempt).filter(leases.expired()).exists()


def test_a_lease_that_was_never_given_is_not_expired() -> None:
    attempt = start_stage(make_run())
    _row(attempt).update(lease_until=None)
    assert not _row(attempt).filter(leases.expired()).exists()


@pytest.mark.django_db(transaction=True)
def test_of_ten_rivals_one_takes_an_expired_lease_over() -> None:
    attempt = start_stage(make_run())
    leases.let_go(_row(attempt), attempt.fence)
    results = race(10, lambda number: leases.take_over(_row(attempt), f"rival {number}", 6))
    assert results.count(None) == 1
    assert sum(isinstance(result, LostRace) for result in results) == 9
    assert _row(attempt).get().fence == attempt.fence + 1
