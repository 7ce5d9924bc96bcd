"""Logs: appended once, read from any byte, the same before, during and after they are archived."""

import random
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from pipelines.errors import LostRace
from pipelines.logs import store
from pipelines.logs.models import Chunk, Log
from pipelines.logs.signals import appended
from pipelines.logs.store import BrokenLog
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _log(*pieces: bytes) -> Log:
    log = store.open_log()
    for piece in pieces:
        store.append(log, piece, log.raw_size + len(piece))
    return log


def _closed(*pieces: bytes) -> Log:
    log = _log(*pieces)
    store.close(log)
    return Log.objects.get(pk=log.pk)


def _text(log: Log, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(store.read(log, start, end))


def test_what_was_appended_is_read() -> None:
    log = _log(b"one\n", b"two\n", b"three\n")
    assert _text(log) == b"one\ntwo\nthree\n"
    assert (log.size, log.raw_size) == (14, 14)
    assert Log.objects.get(pk=log.pk).size == 14


def test_a_log_is_read_from_any_byte_to_any_byte_across_its_chunks() -> None:
    pieces = [b"a", b"bcdef", b"gh", b"ijklmnop"]
    whole = b"".join(pieces)
    for log in (_log(*pieces), _archived(*pieces)):
        for start in range(len(whole) + 2):
            assert _text(log, start) == whole[start:]
            for end in range(start, len(whole) + 2):
                assert _text(log, start, end) == whole[start:end]


def _archived(*pieces: bytes) -> Log:
    log = _closed(*pieces)
    store.archive(log)
    return Log.objects.get(pk=log.pk)


def test_an_empty_log_reads_as_nothing() -> None:
    assert _text(_log()) == b""
    assert _text(_archived()) == b""


def test_the_tail_is_the_last_bytes() -> None:
    log = _log(b"0123", b"4567", b"89")
    assert store.tail(log, 3) == b"789"
    assert store.tail(log, 99) == b"0123456789"


def test_raw_bytes_that_were_masked_away_entirely_still_count() -> None:
    log = _log(b"seen")
    store.append(log, b"", 40)
    assert (log.size, log.raw_size) == (4, 40)
    assert Chunk.objects.filter(log=log).count() == 1
    store.append(log, b"more", 44)
    assert _text(log) == b"seenmore"


def test_an_append_by_somebody_who_does_not_know_the_end_is_refused() -> None:
    log = _log(b"one\n")
    stale = Log.objects.get(pk=log.pk)
    store.append(log, b"two\n", 8)
    with pytest.raises(LostRace):
        store.append(stale, b"2\n", 6)
    assert _text(log) == b"one\ntwo\n"


def test_a_closed_log_takes_nothing_more_and_closing_twice_is_harmless() -> None:
    log = _closed(b"one\n")
    closed_at = log.closed_at
    store.close(log)
    with pytest.raises(LostRace):
        store.append(log, b"two\n", 8)
    assert Log.objects.get(pk=log.pk).closed_at == closed_at
    assert _text(log) == b"one\n"


def test_an_archived_log_reads_as_before_and_its_chunks_are_gone() -> None:
    noise = random.Random(7)
    pieces = [noise.randbytes(noise.randrange(1, 200_000)) for _ in range(12)]
    log = _archived(*pieces)
    whole = b"".join(pieces)
    assert not Chunk.objects.filter(log=log).exists()
    assert _text(log) == whole
    for start in [noise.randrange(len(whole)) for _ in range(10)]:
        assert _text(log, start, start + 70_000) == whole[start : start + 70_000]


def test_pieces_are_of_bounded_size() -> None:
    log = _archived(*[b"x" * store.BLOCK] * 5)
    assert max(len(piece) for piece in store.read(log)) <= store.BLOCK


def test_a_reader_who_began_before_the_archiving_reads_on_in_the_archive() -> None:
    pieces = [bytes([65 + number]) * 1000 for number in range(10)]
    log = _closed(*pieces)
    reader = store.read(log)
    first = next(reader)
    store.archive(Log.objects.get(pk=log.pk))
    assert first + b"".join(reader) == b"".join(pieces)


def test_a_viewer_that_holds_the_log_as_it_was_before_the_archiving_reads_all() -> None:
    log = _closed(b"one\n", b"two\n")
    store.archive(Log.objects.get(pk=log.pk))
    assert _text(log) == b"one\ntwo\n"


def test_a_log_that_lacks_a_piece_is_not_archived() -> None:
    log = _closed(b"one\n", b"two\n", b"three\n")
    Chunk.objects.filter(log=log).latest("offset").delete()
    with pytest.raises(BrokenLog, match="8 of its 14 bytes"):
        store.archive(log)
    assert Chunk.objects.filter(log=log).count() == 2
    assert Log.objects.get(pk=log.pk).archive == ""


def test_a_second_archiver_leaves_no_file_behind() -> None:
    log = _closed(b"one\n")
    stale = Log.objects.get(pk=log.pk)
    store.archive(log)
    kept = default_storage.listdir(f"logs/{log.pk // 1000}")
    store.archive(stale)
    assert default_storage.listdir(f"logs/{log.pk // 1000}") == kept
    assert _text(Log.objects.get(pk=log.pk)) == b"one\n"


def test_chunks_that_do_not_lie_end_to_end_are_found() -> None:
    good, hole, short = _log(b"one", b"two"), _log(b"one", b"two", b"three"), _log(b"one", b"two")
    Chunk.objects.get(log=hole, offset=3).delete()
    Chunk.objects.get(log=short, offset=3).delete()
    broken = store.doubled_or_missing()
    assert good.pk not in broken
    assert {hole.pk, short.pk} <= set(broken)


@pytest.mark.django_db(transaction=True)
def test_bytes_are_announced_after_the_commit_with_the_size_that_is_stored() -> None:
    heard: list[tuple[int, bool]] = []

    def hear(size: int, closed: bool, **_: Any) -> None:
        heard.append((size, closed))

    log = store.open_log()
    appended.connect(hear)
    try:
        with transaction.atomic():
            store.append(log, b"one\n", 4)
            assert heard == []
        store.close(log)
    finally:
        appended.disconnect(hear)
    assert heard == [(4, False), (4, True)]


@pytest.mark.django_db(transaction=True)
def test_of_rivals_who_append_at_once_each_byte_is_stored_once() -> None:
    log = store.open_log()

    def append(number: int) -> int:
        stored = 0
        for _ in range(10):
            mine = Log.objects.get(pk=log.pk)
            try:
                with transaction.atomic():
                    store.append(mine, bytes([65 + number]), mine.raw_size + 1)
                stored += 1
            except LostRace:
                pass
        return stored

    stored = race(5, append)
    text = _text(Log.objects.get(pk=log.pk))
    assert [text.count(bytes([65 + number])) for number in range(5)] == stored
    assert store.doubled_or_missing() == []


@pytest.mark.django_db(transaction=True)
def test_readers_see_the_exact_text_while_it_is_archived() -> None:
    pieces = [f"line {number}\n".encode() * 50 for number in range(200)]
    whole = b"".join(pieces)
    log = _closed(*pieces)

    def read_or_archive(number: int) -> bytes:
        if number == 0:
            store.archive(Log.objects.get(pk=log.pk))
        return _text(Log.objects.get(pk=log.pk), number)

    for number, text in enumerate(race(6, read_or_archive)):
        assert text == whole[number:]


def test_a_closed_log_knows_when() -> None:
    before = timezone.now()
    log = _closed(b"x")
    assert log.closed_at is not None
    assert before <= log.closed_at <= timezone.now()
