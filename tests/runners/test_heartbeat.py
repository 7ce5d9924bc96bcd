"""A lease is kept alive while its work goes on, and its owner hears when to stop."""

import threading
import time
from datetime import datetime

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from pipelines.states.leases import LostLease
from runners import heartbeat
from runners.heartbeat import Heartbeat
from tests.lab.patience import until


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_SECONDS", 0.02)


class Lease:
    """Counts its renewals; `answer` is what each gives, or raises."""

    def __init__(self, answer: datetime | Exception | None = None) -> None:
        self.answer = answer
        self.renewals = 0
        self.stops = 0

    def renew(self) -> datetime | None:
        self.renewals += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def stop(self) -> None:
        self.stops += 1

    def beating(self, lease_seconds: float = 600) -> Heartbeat:
        return Heartbeat(self.renew, lease_seconds=lease_seconds, on_stop=self.stop)


def test_the_lease_is_renewed_until_the_work_ends() -> None:
    lease = Lease()
    with lease.beating() as beat:
        until("three renewals", lambda: lease.renewals >= 3)
    renewals = lease.renewals
    time.sleep(0.1)
    assert lease.renewals == renewals
    assert not beat.lost.is_set()
    assert not beat.cancelled.is_set()
    assert lease.stops == 0


def test_a_wish_to_stop_is_heard_once_and_the_lease_kept_alive() -> None:
    lease = Lease(timezone.now())
    with lease.beating() as beat:
        assert beat.cancelled.wait(60)
        renewals = lease.renewals
        until("another renewal", lambda: lease.renewals > renewals)
    assert lease.stops == 1


def test_after_a_takeover_the_owner_hears_and_the_beating_ends() -> None:
    lease = Lease(LostLease("taken over"))
    with lease.beating() as beat:
        assert beat.lost.wait(60)
        time.sleep(0.1)
    assert (lease.renewals, lease.stops) == (1, 1)


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")], ids=["query", "connection"])
def test_a_database_that_is_away_for_a_moment_is_ridden_out(error: Exception) -> None:
    lease = Lease(error)
    with lease.beating(lease_seconds=600) as beat:
        until("two renewals that fail", lambda: lease.renewals >= 2)
        lease.answer = None
        renewals = lease.renewals
        until("another renewal", lambda: lease.renewals > renewals)
        assert not beat.lost.is_set()


def test_a_database_that_is_away_for_longer_than_the_lease_means_that_the_work_is_lost() -> None:
    lease = Lease(OperationalError("away"))
    with lease.beating(lease_seconds=0.1) as beat:
        assert beat.lost.wait(60)
    assert lease.stops == 1


def test_the_end_of_the_work_does_not_wait_for_the_next_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_SECONDS", 3600)
    with Lease().beating():
        pass
    until("its end", lambda: not [thread for thread in threading.enumerate() if thread.name == "heartbeat"])
