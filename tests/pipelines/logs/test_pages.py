"""Windows of rows, searches and times: of a log that grows and of an archived one alike."""

import gzip
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.core.files.storage import default_storage
from django.db.models import F

from pipelines.logs import pages, pieces, rows, search, store
from pipelines.logs.models import Chunk, Log, Page
from pipelines.logs.rows import Place

pytestmark = pytest.mark.django_db

_TEXT = b"".join(b"%06d %s\n" % (i, b"x" * (i % 90)) for i in range(30_000)) + b"y" * 40_000 + b"\nlast, unfinished"


def _log(text: bytes = _TEXT, size: int = 50_021) -> Log:
    log = store.open_log()
    for at in range(0, len(text), size):
        store.append(log, text[at : at + size], at + size)
    return log


def _archived(text: bytes = _TEXT) -> Log:
    log = _log(text)
    store.close(log)
    store.archive(Log.objects.get(pk=log.pk))
    return Log.objects.get(pk=log.pk)


def _fresh(text: bytes = _TEXT) -> list[Log]:
    return [Log.objects.get(pk=_log(text).pk), _archived(text)]


def test_a_window_is_exactly_the_rows_that_were_asked_for() -> None:
    begins = [0, *(cut for cut, _ in rows.starts(_TEXT)), len(_TEXT)]
    for log in _fresh():
        total = pages.totals(log)[0]
        assert total == len(begins) - 1
        for first in (0, 1, 499, 7777, 29_990, total - 4, total - 1):
            window = pages.window(log, first, 5)
            assert (window.place.row, window.place.offset) == (first, begins[first])
            assert window.data == _TEXT[begins[first] : begins[min(first + 5, total)]]
        assert pages.window(log, total + 10, 5).data == b""


def test_rows_lines_and_bytes_lead_to_each_other() -> None:
    for log in _fresh():
        assert pages.totals(log) == (30_000 + 3 + 1, 30_002)
        for line in (1, 2, 777, 29_999, 30_000, 30_001):
            assert pages.row_of_line(log, line) == line - 1
        assert pages.row_of_line(log, 30_002) == 30_003
        assert pages.row_of_line(log, 99_999_999) == 30_003
        at = _TEXT.index(b"012345 ")
        assert pages.row_of_byte(log, at) == 12_345
        assert pages.row_of_byte(log, at + 1) == 12_346
        assert pages.row_of_byte(log, 0) == 0


def test_an_archive_is_plain_gzip_and_is_entered_at_any_page(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _archived()
    with default_storage.open(log.archive) as stored:
        packed = stored.read()
    assert gzip.decompress(packed) == _TEXT
    kept = list(Page.objects.filter(log=log).order_by("offset"))
    assert len(kept) > 5
    for page, after in pairwise(kept):
        assert gzip.decompress(packed[page.packed : after.packed]) == _TEXT[page.offset : after.offset]
        assert 0 < after.offset - page.offset <= pieces.BLOCK
    for start in (0, 1, kept[3].offset - 1, kept[3].offset, kept[3].offset + 1, len(_TEXT) - 1):
        assert b"".join(store.read(log, start, start + 100)) == _TEXT[start : start + 100]
    # What stands before the page is not even there to be read.
    with default_storage.open(log.archive, "wb") as stored:
        stored.write(bytes(kept[4].packed or 0) + packed[kept[4].packed :])
    assert b"".join(store.read(log, kept[4].offset)) == _TEXT[kept[4].offset :]


def test_times_of_chunks_outlive_the_archiving() -> None:
    log = _log()
    Chunk.objects.filter(log=log).update(at=datetime(2030, 1, 1, tzinfo=UTC))
    for chunk in Chunk.objects.filter(log=log):
        Chunk.objects.filter(pk=chunk.pk).update(at=datetime.fromtimestamp(1_900_000_000 + chunk.offset / 1000, UTC))
    before = pages.stamps(Log.objects.get(pk=log.pk), 300_000, 800_000)
    store.close(log)
    store.archive(Log.objects.get(pk=log.pk))
    after = pages.stamps(Log.objects.get(pk=log.pk), 300_000, 800_000)
    assert before[0][0] <= 300_000 < before[1][0]
    assert set(before) <= set(after) | {before[0]}
    assert [at for _, at in before] == sorted(at for _, at in before)
    assert all(abs(at - 1_900_000_000_000 - offset) <= 1 for offset, at in before)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("000777 ", [777]), ("LAST, UN", [30_003]), ("yyy", [30_000, 30_001, 30_002]), ("", []), ("nowhere", [])],
)
def test_a_search_gives_every_row_once(wanted: str, found: list[int]) -> None:
    for log in _fresh():
        assert list(search.find(log, wanted)) == found


def test_a_search_sees_what_a_reader_sees() -> None:
    text = (
        b"one \x1b[1mnee\x1b[31mdle\x1b[0m\nneedle gone\rdrawn over\nneedle\r\n\x1b]0;needle\x07title\nneed\nle\n"
        b"NEEDLE " + "ÄRGER\n".encode()
    )
    for log in _fresh(text):
        assert list(search.find(log, "Needle")) == [0, 2, 6]
        assert list(search.find(log, "ärger")) == [6]
        assert list(search.find(log, "drawn")) == [1]


def test_a_match_over_the_border_of_two_blocks_is_found() -> None:
    text = b"z" * (pieces.BLOCK - 3) + b"needle\n" + b"a\n" * pieces.BLOCK + b"needle"
    log = _log(text)
    found = list(search.find(log, "needle"))
    assert len(found) == 2
    assert found[-1] == pages.totals(log)[0] - 1


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (b"error: it broke", True), (b"E   ValueError: x", True), (b"make: *** [all] Error 1", True),
        (b"Traceback (most recent call last):", True), (b"thread 'main' panicked at x", True),
        (b"FAILED tests/a.py", True),
        (b"fatal: not a repository", True), (b"\x1b[31merr\x1b[1mor\x1b[0m: in colours", True),
        (b"0 errors", False), (b"errors: 0", False), (b"no failures", False), (b"--on-error=stop", False),
        (b"error_handler.py compiled", False), (b"12 passed, 0 failed", False), (b"terrors", False),
    ],
)  # fmt: skip
def test_the_first_error_is_guessed_by_words(line: bytes, counts: bool) -> None:
    log = _log(b"fine\n" * 100 + line + b"\nfine\n")
    assert search.first_error(log) == (100 if counts else None)
    assert search.first_error(log, 101) is None


def test_a_log_of_before_there_were_places_is_read_and_grows_on() -> None:
    log = _log(_TEXT[:900_000])
    Page.objects.filter(log=log).delete()
    Log.objects.filter(pk=log.pk).update(place=None)
    old = Log.objects.get(pk=log.pk)
    assert pages.window(old, 9000, 1).data.startswith(b"009000 ")
    store.append(old, _TEXT[900_000:], len(_TEXT))
    assert pages.totals(Log.objects.get(pk=log.pk)) == (30_004, 30_002)
    assert pages.window(Log.objects.get(pk=log.pk), 29_999, 1).data.startswith(b"029999 ")


def test_a_stage_that_says_little_is_read_in_few_queries(django_assert_max_num_queries: object) -> None:
    log = store.open_log()
    Chunk.objects.bulk_create(
        [Chunk(log=log, offset=at, raw_until=at + 1, data=b"%d" % (at % 10)) for at in range(3000)]
    )
    Log.objects.filter(pk=log.pk).update(size=F("size") + 3000)
    log.refresh_from_db()
    with django_assert_max_num_queries(30):  # type: ignore[operator]
        assert b"".join(store.read(log)) == b"0123456789" * 300


def test_who_takes_a_log_over_settles_it_as_the_first_would_have() -> None:
    log = _log(_TEXT[:70_001])
    other = Log.objects.get(pk=log.pk)
    store.append(other, _TEXT[70_001:], len(_TEXT))
    whole = Log.objects.get(pk=_log().pk)
    assert Log.objects.get(pk=log.pk).place == whole.place
    assert Place(*(whole.place or ())).offset <= whole.size
