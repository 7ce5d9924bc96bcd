"""Masking and step marks, wherever the output is cut."""

import base64
import json
import re
import subprocess
import urllib.parse
from collections.abc import Callable
from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.logs.marks import StepMark
from runners.masking import REPLACEMENT, LogFilter, Masker, masked, needles_of

NEEDLES = st.lists(st.text("abé", min_size=1, max_size=6).map(str.encode), min_size=1, max_size=5)
TEXTS = st.text("abéc", max_size=60).map(str.encode)
MARKS = st.sampled_from(
    [
        b"\x1b]slipway;0;begin\x07",
        b"\x1b]slipway;0;end;0\x07",
        b"\x1b]slipway;1;begin\x07",
        b"\x1b]slipway;1;end;17\x07",
    ]
)
OUTPUTS = st.lists(st.one_of(TEXTS, MARKS, MARKS.map(lambda mark: mark[:9])), max_size=12).map(b"".join)


def plainly_masked(text: bytes, needles: list[bytes]) -> bytes:
    """What masking means, without any chunk."""
    pattern = b"|".join(map(re.escape, sorted(needles, key=len, reverse=True)))
    return re.sub(pattern, REPLACEMENT, text)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(bounds)]


@given(NEEDLES, TEXTS, st.lists(st.integers(0, 60)))
@example([b"ab", b"abab"], b"abaab", [3])
@example([b"aba"], b"abababa", [1, 2, 3, 4, 5, 6])
@example([b"aab", b"b"], b"aaab", [1, 2, 3])
def test_a_stream_is_masked_as_if_it_had_come_whole(needles: list[bytes], text: bytes, cuts: list[int]) -> None:
    masker = Masker(needles)
    data = b"".join(masker.feed(chunk).data for chunk in chunks(text, cuts)) + masker.finish().data

    assert data == plainly_masked(text, needles)
    assert not any(needle in data.replace(REPLACEMENT, b"\0") for needle in needles)


@given(NEEDLES, TEXTS, st.lists(st.integers(0, 60)))
def test_only_a_proper_prefix_of_a_needle_is_held_back(needles: list[bytes], text: bytes, cuts: list[int]) -> None:
    masker = Masker(needles)
    fed = taken = 0
    for chunk in chunks(text, cuts):
        fed += len(chunk)
        taken += masker.feed(chunk).taken
        held = text[taken:fed]
        assert not held or any(needle.startswith(held) and needle != held for needle in needles)


def test_every_form_of_a_secret_is_masked_when_it_is_split_at_any_byte() -> None:
    secret = "S3cret/pass+word é'\"\n-----second line-----"
    raw = secret.encode()
    forms = [raw, *raw.splitlines(), raw.hex().encode(), raw.hex().upper().encode(), json.dumps(secret).encode()[1:-1]]
    forms += [json.dumps(secret, ensure_ascii=False).encode()[1:-1]]
    forms += [urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode()]
    for form in forms:
        for cut in range(len(form) + 1):
            masker = Masker(needles_of([secret]))
            data = masker.feed(b"x=" + form[:cut]).data + masker.feed(form[cut:]).data + masker.finish(b"\n").data
            assert data == b"x=***\n"


@pytest.mark.parametrize("around", [(b"", b""), (b"u:", b""), (b"ab", b"c"), (b"user", b" and more"), (b"1", b"2")])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_text_around_a_secret_does_not_show_it(
    around: tuple[bytes, bytes], encode: Callable[[bytes], bytes]
) -> None:
    secret = b"\xc3\xbfhunter2>hunter2?"
    encoded = encode(around[0] + secret + around[1])
    masker = Masker(needles_of([secret.decode()]))
    data = masker.feed(encoded).data + masker.finish().data

    assert REPLACEMENT in data
    assert len(data) <= len(around[0] + around[1]) * 4 / 3 + 12


def test_a_long_secret_is_masked_as_programs_break_it_into_lines() -> None:
    secret = "".join(f"{number:04d}-secret\n" for number in range(40))
    raw = secret.encode()
    printed = [
        subprocess.run(command, input=raw, capture_output=True, check=True).stdout
        for command in (["base64"], ["base64", "-w", "64"], ["base64", "-w", "0"])
    ]
    printed.append(b"".join(raw.hex()[at : at + 60].encode() + b"\n" for at in range(0, len(raw) * 2, 60)))
    for text in printed:
        for size in (1, 7, 10_000):
            masker = Masker(needles_of([secret]))
            parts = [masker.feed(text[at : at + size]).data for at in range(0, len(text), size)]
            shown = b"".join((*parts, masker.finish().data))
            assert len(shown.replace(b"***", b"").replace(b"\n", b"")) < 12, shown


def test_what_comes_a_byte_an_hour_is_held_back_for_as_long() -> None:
    masker = Masker([b"hunter2hunter2"])
    for letter in b"hunter2hunter":
        assert masker.feed(bytes([letter])).data == b""
        assert masker.feed(b"").data == b""  # nothing came for a while
    assert masker.feed(b"2").data == b"***"


def test_short_lines_of_a_secret_do_not_blank_out_ordinary_words() -> None:
    assert Masker(needles_of(["{\n  password-of-db\n}"])).feed(b"{ a } 1\n").data == b"{ a } 1\n"


def test_nothing_is_a_secret_without_needles() -> None:
    assert needles_of(["", "  \n"]) == frozenset()
    assert Masker(needles_of([])).feed(b"text").data == b"text"


def test_a_short_text_is_masked_and_fit_for_any_database() -> None:
    assert masked("login with hunter2hunter2 refused", needles_of(["hunter2hunter2"])) == "login with *** refused"
    assert masked("caf\udce9 says \0, \ud800", ()) == "caf? says ?, ?"


@settings(max_examples=300)
@given(NEEDLES, OUTPUTS, st.lists(st.integers(0, 300)), st.data())
def test_a_takeover_at_any_piece_gives_exactly_the_rest(
    needles: list[bytes], raw: bytes, cuts: list[int], data: st.DataObject
) -> None:
    first = LogFilter(needles, steps=2)
    pieces = [*(first.feed(chunk) for chunk in chunks(raw, cuts)), first.finish()]
    whole = b"".join(piece.data for piece in pieces)
    kept = data.draw(st.integers(0, len(pieces)))
    before = pieces[:kept]
    raw_from = before[-1].raw_until if before else 0
    log_from = sum(len(piece.data) for piece in before)

    second = LogFilter(needles, steps=2, raw_from=raw_from, log_from=log_from)
    again = [second.feed(raw[raw_from:]), second.finish()]

    assert b"".join(piece.data for piece in (*before, *again)) == whole
    assert again[-1].raw_until == len(raw) == pieces[-1].raw_until
    told = [mark for piece in before for mark in piece.marks]
    named = {(mark.position, mark.begins) for mark in told}
    told += [mark for piece in again for mark in piece.marks if (mark.position, mark.begins) not in named]
    assert told == [mark for piece in pieces for mark in piece.marks]


@given(NEEDLES, st.lists(TEXTS, min_size=5, max_size=5), st.lists(st.integers(0, 200)))
def test_a_mark_stands_where_it_stood_in_the_text(needles: list[bytes], texts: list[bytes], cuts: list[int]) -> None:
    """A mark in the middle of a needle follows the replacement."""
    marks = [
        b"\x1b]slipway;0;begin\x07",
        b"\x1b]slipway;0;end;0\x07",
        b"\x1b]slipway;1;begin\x07",
        b"\x1b]slipway;1;end;1\x07",
    ]
    raw = b"".join(text + mark for text, mark in zip(texts, [*marks, b""], strict=True))
    log = LogFilter(needles, steps=2)
    pieces = [*(log.feed(chunk) for chunk in chunks(raw, cuts)), log.finish()]
    found = [mark for piece in pieces for mark in piece.marks]
    pattern = re.compile(b"|".join(map(re.escape, sorted(needles, key=len, reverse=True))))
    spans = [match.span() for match in pattern.finditer(b"".join(texts))]

    def offset(position: int) -> int:
        inside = [end - start - 3 for start, end in spans if end <= position]
        across = [position - start - 3 for start, end in spans if start < position < end]
        return position - sum(inside) - sum(across)

    assert [mark.offset for mark in found] == [offset(at) for at in accumulate(map(len, texts[:4]))]


def test_a_mark_is_taken_out_when_it_is_split_at_any_byte() -> None:
    raw = b"before\x1b]slipway;3;end;127\x07after"
    for cut in range(len(raw) + 1):
        log = LogFilter([], steps=4)
        pieces = [log.feed(raw[:cut]), log.feed(raw[cut:]), log.finish()]
        assert b"".join(piece.data for piece in pieces) == b"beforeafter"
        assert [mark for piece in pieces for mark in piece.marks] == [StepMark(3, 6, begins=False, exit_code=127)]


def test_a_forged_mark_inside_a_secret_does_not_unmask_it() -> None:
    log = LogFilter([b"hunter2hunter2"], steps=1)
    raw = b"hunter2\x1b]slipway;0;begin\x07hunter2\x1b]slipway;77;begin\x07"

    assert log.feed(raw).data + log.finish().data == REPLACEMENT


def test_marks_of_no_step_and_repeated_ones_vanish() -> None:
    log = LogFilter([], steps=1)
    piece = log.feed(b"a\x1b]slipway;1;begin\x07b" + b"\x1b]slipway;0;begin\x07" * 3 + b"c")

    assert piece.data == b"abc"
    assert piece.marks == (StepMark(0, 2, begins=True),)


@pytest.mark.parametrize(
    "tail", [b"\x1b", b"\x1b]slipway", b"\x1b]slipway;12", b"\x1b]slipway;1;end;", b"\x1b]slipway;1;b"]
)
def test_a_mark_that_never_ends_is_text_at_the_end(tail: bytes) -> None:
    log = LogFilter([], steps=2)

    assert log.feed(b"text" + tail).data == b"text"
    assert log.finish().data == tail


@pytest.mark.parametrize(
    "text", [b"\x1b[31mred", b"\x1b]slipway;x", b"\x1b]slipway;12345", b"\x1b]slipway;1;bx", b"\x1b\x1b]s."]
)
def test_what_cannot_become_a_mark_is_not_held_back(text: bytes) -> None:
    assert LogFilter([], steps=2).feed(text).data == text


def test_a_flood_of_forged_marks_keeps_memory_small() -> None:
    log = LogFilter([b"needle"], steps=1)
    log.feed(b"need")
    for _ in range(200):
        log.feed(b"\x1b]slipway;9999;begin\x07" * 1000)

    assert len(log._gaps) == 1
    assert log.finish().data == b"need"
