"""Batches of masked log: their size, their pace and their end."""

import resource
import time
from dataclasses import dataclass
from typing import Any

import pytest

from pipelines.logs.marks import StepMark
from pipelines.states.leases import LostLease
from runners import recorder as recording
from runners.masking import needles_of
from runners.recorder import BATCH_BYTES, Batch, Recorder
from tests.lab.pace import slowness


class Stored(list[Batch]):
    """A sink that keeps what it is given."""

    @property
    def text(self) -> bytes:
        return b"".join(batch.data for batch in self)


@dataclass
class Clock:
    """Moves only when a test moves it."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(recording, "time", made)
    return made


def recorder(stored: Stored, *secrets: str, **options: Any) -> Recorder:
    return Recorder(needles_of(secrets), stored.append, steps=2, **options)


def test_the_first_output_after_a_silence_is_stored_at_once() -> None:
    stored = Stored()
    recorder(stored).feed(b"hello\n")

    assert stored == [Batch(b"hello\n", 6, ())]


def test_what_follows_closely_waits_until_a_tenth_of_a_second_has_passed(clock: Clock) -> None:
    stored = Stored()
    log = recorder(stored)
    for word in (b"a", b"b", b"c"):
        log.feed(word)
    assert stored.text == b"a"
    clock.now += 0.11
    log.feed(b"")

    assert [batch.data for batch in stored] == [b"a", b"bc"]


def test_much_output_is_stored_in_bounded_batches() -> None:
    stored = Stored()
    log = recorder(stored)
    for _ in range(100):
        log.feed(b"x" * 50_000)
    log.finish()

    assert len(stored.text) == stored[-1].raw_until == 5_000_000
    assert max(len(batch.data) for batch in stored) < BATCH_BYTES + 50_000
    assert len(stored) < 25


def test_nothing_is_stored_for_nothing() -> None:
    stored = Stored()
    log = recorder(stored)
    log.feed(b"")
    log.finish()

    assert stored == []


def test_a_prefix_of_a_secret_waits_for_the_end_and_for_no_clock(clock: Clock) -> None:
    stored = Stored()
    log = recorder(stored, "hunter2hunter2")
    log.feed(b"is hunter2hun")
    clock.now += 0.11
    log.feed(b"")
    assert stored.text == b"is "
    assert stored[-1].raw_until == 3
    log.finish()

    assert stored.text == b"is hunter2hun"


def test_marks_come_with_the_text_before_them() -> None:
    stored = Stored()
    log = recorder(stored)
    log.feed(b"a\x1b]slipway;0;begin\x07")
    log.feed(b"b\x1b]slipway;0;end;3\x07")
    log.finish()

    assert [(batch.data, [(mark.offset, mark.exit_code) for mark in batch.marks]) for batch in stored] == [
        (b"a", [(1, None)]),
        (b"b", [(2, 3)]),
    ]


def test_a_mark_alone_keeps_the_line_after_it_from_no_second() -> None:
    stored = Stored()
    log = recorder(stored)
    log.feed(b"\x1b]slipway;0;begin\x07")
    assert stored == []
    log.feed(b"the first line\n")

    assert [(batch.data, len(batch.marks)) for batch in stored] == [(b"the first line\n", 1)]


def test_a_mark_that_nothing_follows_is_stored_after_a_silence() -> None:
    stored = Stored()
    log = recorder(stored)
    log.feed(b"\x1b]slipway;0;begin\x07")
    log.feed(b"")

    assert [(batch.data, len(batch.marks)) for batch in stored] == [(b"", 1)]


def test_a_recorder_that_takes_over_counts_on() -> None:
    stored = Stored()
    log = recorder(stored, raw_from=100, log_from=40)
    log.feed(b"more\x1b]slipway;1;begin\x07")

    assert stored[0].raw_until == 100 + 4 + len(b"\x1b]slipway;1;begin\x07")
    assert stored[0].marks[0].offset == 44
    assert log.raw_fed == stored[0].raw_until


def test_a_log_beyond_its_limit_ends_with_a_line_that_says_so() -> None:
    stored = Stored()
    log = recorder(stored, raw_bytes_max=1000)
    log.feed(b"x" * 999)
    assert not log.is_full
    log.feed(b"yz")
    assert log.is_full
    log.feed(b"more")
    log.finish()

    assert stored.text.startswith(b"x" * 999 + b"y\n[slipway] This log has reached its limit of 1000 bytes")
    assert stored[-1].raw_until == 1001


def test_a_log_of_exactly_its_limit_is_whole() -> None:
    stored = Stored()
    log = recorder(stored, raw_bytes_max=10)
    log.feed(b"0123456789")
    log.finish()

    assert not log.is_full
    assert stored.text == b"0123456789"


@pytest.mark.parametrize(("raw_from", "is_full"), [(10, False), (11, True)])
def test_the_limit_is_told_once_even_over_a_takeover(raw_from: int, is_full: bool) -> None:
    stored = Stored()
    log = recorder(stored, raw_from=raw_from, log_from=10, raw_bytes_max=10)
    assert log.is_full == is_full
    log.feed(b"more")

    assert log.is_full
    assert stored.text.count(b"[slipway]") == (0 if is_full else 1)


def test_a_secret_across_the_limit_is_not_shown() -> None:
    stored = Stored()
    log = recorder(stored, "hunter2hunter2", raw_bytes_max=10)
    log.feed(b"is hunter2hunter2")

    assert b"hunter2hunter2" not in stored.text


def test_a_lost_lease_passes_through() -> None:
    def refuse(batch: Batch) -> None:
        raise LostLease("taken over")

    with pytest.raises(LostLease):
        Recorder(frozenset(), refuse, steps=1).feed(b"text")


def test_a_line_of_a_hundred_megabytes_is_filtered_fast_and_in_little_memory() -> None:
    sizes: list[int] = []
    needles = needles_of(["hunter2hunter2", "correct horse battery"])
    log = Recorder(needles, lambda batch: sizes.append(len(batch.data)), steps=1)
    chunk = b"0123456789abcdef" * 4096
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.thread_time()
    for _ in range(1600):
        log.feed(chunk)
    log.finish()
    seconds = time.thread_time() - began

    assert sum(sizes) == 1600 * 65536
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 20_000
    print(f"{sum(sizes) / 1e6 / seconds:.0f} MB/s with {len(needles)} needles")
    assert seconds < 3 * slowness()


def test_the_last_mark_is_known_before_its_batch_is_stored() -> None:
    stored = Stored()
    log = recorder(stored)
    log.feed(b"\x1b]slipway;0;begin\x07text")
    log.feed(b"\x1b]slipway;0;end;3\x07")

    assert [mark.begins for batch in stored for mark in batch.marks] == [True]
    assert log.last_mark == StepMark(0, 4, begins=False, exit_code=3)
