"""Rows and looks: the same wherever reading begins, however the bytes came."""

import random
from itertools import pairwise

import pytest

from pipelines.logs import looks, rows
from pipelines.logs.rows import ROW_BYTES, Place

_SNIPPETS = [
    b"word ", b"\n", b"\r\n", b"\r", b"\x1b[31m", b"\x1b[0m", b"\x1b[1;4m", b"\x1b[38;5;208m", b"\x1b[48;2;1;2;3m",
    b"\x1b[m", b"\x1b]0;title\x07", b"\x1b[2K", "ü✓😀".encode(), b"x" * 5000, b"\xff\xfe", b"\x1b[", b"y" * 20000,
    b"\x1b[4:3m", b"\x1b[38:2::9:8:7m", b"\x1b[22;24m", b"\r" * 100,
]  # fmt: skip


def _texts() -> list[bytes]:
    noise = random.Random(5)
    return [b"".join(noise.choices(_SNIPPETS, k=noise.randrange(1, 120))) for _ in range(60)]


def _row_begins(text: bytes) -> list[int]:
    return [0, *(cut for cut, _ in rows.starts(text))]


@pytest.mark.parametrize("size", [1, 3, 64, 4096, 100_000])
def test_a_place_is_the_same_however_the_bytes_come(size: int) -> None:
    for text in _texts() if size > 100 else (text[:30_000] for text in _texts()[:: 20 // min(size, 20)]):
        place, held = Place(), b""
        for at in range(0, len(text), size):
            held += text[at : at + size]
            before, place = place, rows.advance(place, held)
            held = held[place.offset - before.offset :]
        begun = rows.starts(text)
        assert place.row == len(begun)
        assert place.line == text.count(b"\n")
        assert place.offset >= (begun[-1][0] if begun else 0)
        assert place.look == looks.after("", text[: place.offset])
        assert place.joined == (bool(begun) and begun[-1][1])


def test_from_any_place_on_the_rows_are_those_of_the_whole() -> None:
    for text in _texts():
        whole = _row_begins(text)
        for number in range(0, len(whole), 1 + len(whole) // 10):
            place = rows.row_at(Place(), text, number)
            assert place is not None
            assert place.offset == whole[number]
            rest = text[place.offset :]
            assert [place.offset + begin for begin in _row_begins(rest)] == whole[number:]
            assert looks.after(place.look, rest) == looks.after("", text)


def test_no_row_is_longer_than_it_may_be_and_no_character_or_colour_is_cut() -> None:
    text = ("ü" * 20_000 + "\x1b[38;5;208m" * 5000 + "😀" * 9000).encode()
    begins = [*_row_begins(text), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(begins)]
    assert max(map(len, pieces)) <= ROW_BYTES
    assert b"".join(pieces) == text
    for piece in pieces:
        piece.decode()
        assert piece.count(b"\x1b[") == piece.count(b"m")


def test_what_is_held_stays_small_whatever_comes() -> None:
    for hostile in (b"\r" * 300_000, b"50%\r" * 100_000, b"\x1b]" * 200_000, b"x" * 1_000_000, b"\x1b[1" * 100_000):
        place, held = Place(), b""
        for at in range(0, len(hostile), 65536):
            held += hostile[at : at + 65536]
            before, place = place, rows.advance(place, held)
            held = held[place.offset - before.offset :]
            assert len(held) <= 2 * ROW_BYTES


@pytest.mark.parametrize(
    ("codes", "look"),
    [
        ("31", "31"), ("0", ""), ("", ""), ("1;31", "1;31"), ("31;39", ""), ("1;22", ""), ("38;5;208", "38;5;208"),
        ("38;2;1;2;3", "38;2;1;2;3"), ("38;5;999", ""), ("38;2;1;2", ""), ("38:2::1:2:3", "38;2;1;2;3"),
        ("38:5:17", "38;5;17"), ("4:0", ""), ("4:3", "4"), ("38;5;1;4", "4;38;5;1"), ("97;107", "107;97"), ("5;53", ""),
        ("38;7;31", "31"), ("1" * 61, ""),
    ],
)  # fmt: skip
def test_a_look_is_the_shortest_that_looks_so(codes: str, look: str) -> None:
    assert looks.after("", f"text\x1b[{codes}mmore".encode()) == look
    assert looks.after(look, b"nothing new") == look
