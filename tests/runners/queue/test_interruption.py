"""A worker is interrupted within its work and nowhere else."""

import pytest

from runners.queue.interruption import Interrupted, interrupt, interruptible


def test_outside_of_work_an_interruption_does_nothing() -> None:
    interrupt()
    with interruptible():
        pass
    interrupt()


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
