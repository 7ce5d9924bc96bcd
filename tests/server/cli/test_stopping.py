"""Ctrl-C while a run is under way on this machine, at the worst moments: no engine, no records."""

import os
import signal
import threading
import time

import pytest

from server.cli.printing import Printer
from server.cli.run import _carried_out, noting_stops
from tests.lab.patience import until

SECONDS = 30


class Swallowing:
    """What is raised while it is taken away gets lost: Python has nobody to pass it on to."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)


class Local:
    """As LocalRun: what is written while a transaction is open is not there for the worker."""

    def __init__(self) -> None:
        self.is_final = False
        self.is_open = False
        self.looks = 0
        self._ended = threading.Event()

    def told_to(self, printer: Printer) -> "Local":
        return self

    def __enter__(self) -> None:
        """Nothing to listen to."""

    def __exit__(self, *_: object) -> None:
        """Nor to leave."""

    def work(self) -> None:
        self._ended.wait(SECONDS)

    def cancel(self) -> None:
        self.is_final = True
        if not self.is_open:
            self._ended.set()

    @property
    def was_stopped(self) -> bool:
        return self._ended.is_set()

    def look_after(self) -> None:
        self.looks += 1
        if self.looks == 1:
            self.disturbed()

    def disturbed(self) -> None:
        """A transaction that the interrupt leaves open."""
        self.is_open = True
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)
        self.is_open = False


class Lost(Local):
    def disturbed(self) -> None:
        one = Swallowing()
        del one


class Raised(Local):
    """A second Ctrl-C, while what was asked to stop goes on."""

    def cancel(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        until("the second Ctrl-C", lambda: None, SECONDS)


def carry_out(local: Local) -> None:
    _carried_out(local, Printer([]), 1)  # type: ignore[arg-type]  # no more of it is asked for


def test_an_interrupt_within_a_transaction_waits_for_its_end() -> None:
    local = Local()
    carry_out(local)
    assert local.was_stopped


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_where_nothing_can_be_raised_is_not_lost() -> None:
    local = Lost()
    worker_ends = threading.Timer(SECONDS, lambda: setattr(local, "is_final", True))
    worker_ends.daemon = True
    worker_ends.start()
    carry_out(local)
    worker_ends.cancel()
    assert local.was_stopped


def test_the_second_interrupt_is_raised_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        carry_out(Raised())


def test_afterwards_an_interrupt_means_what_it_had_meant() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noting_stops():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
