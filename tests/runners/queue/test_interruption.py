"""A worker is interrupted within its work and nowhere else; told between two works, it does not begin the next."""

import pytest

from runners.queue import interruption
from runners.queue.interruption import Interrupted, interrupt, interruptible


@pytest.fixture(autouse=True)
def _is_told_here_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_is_told", False)


def test_after_its_work_an_interruption_does_nothing() -> None:
    with interruptible():
        pass
    interrupt()


def test_told_between_two_works_it_does_not_begin_the_next() -> None:
    interrupt()
    begun = []
    with pytest.raises(Interrupted), interruptible():
        begun.append(True)
    assert begun == []


def test_within_work_it_ends_the_work_past_every_handler_of_errors() -> None:
    handled = []

    def work() -> None:
        try:
            interrupt()
        except Exception:
            handled.append("taken for an error")

    with pytest.raises(Interrupted), interruptible():
        work()
    assert handled == []


def test_a_second_signal_does_not_interrupt_the_letting_go() -> None:
    let_go = []

    def work() -> None:
        try:
            interrupt()
        except Interrupted:
            interrupt()
            let_go.append(True)
            raise

    with pytest.raises(Interrupted), interruptible():
        work()
    assert let_go == [True]
