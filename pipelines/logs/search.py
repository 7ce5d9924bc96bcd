"""Find text in a whole log as a reader sees it: without escape sequences, and of what was drawn over the last."""

import re
from array import array
from collections.abc import Iterator

from pipelines.logs import pages, pieces, rows
from pipelines.logs.models import Log

# As in the browser (`static/js/terminal.js`); none goes over the end of a row.
SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-9;:<=>?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[PX^_][^\x1b\r\n]*\x1b\\"
    rb"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
)
_WORDS = (b"error", b"failed", b"failure", b"fatal", b"traceback", b"panic", b"exception")
# A word of trouble that stands for itself, and does not say that there was none.
_ERROR = re.compile(
    rb"(?<![\w.-])(?:errors?|failed|failures?|fatal|panic(?:ked)?|traceback \(most recent call last\)|\w*exception)"
    rb"(?=[\s:!\]),.(]|$)|\w(?:error|exception):"
)
_NONE = re.compile(
    rb"\b(?:no|0|zero|without|ignor\w*|allow\w*|expected)\s+(?:\w+\s+)?(?:errors?|fail\w*|exceptions?)"
    rb"|\b(?:errors?|failed|failures?)\s*[:=]\s*(?:0|none)\b|xfail"
)


def find(log: Log, wanted: str) -> "array[int]":
    """The rows in which `wanted` stands, whatever its case, in ascending order; a row counts once."""
    found: array[int] = array("I")
    for rows_of_piece in sweep(log, wanted):
        found.extend(rows_of_piece)
    return found


def sweep(log: Log, wanted: str, first_row: int = 0) -> Iterator[list[int]]:
    """As `find`, from `first_row` on and a piece of the log at a time: whoever has seen enough reads no further."""
    needle = wanted.lower().encode()
    if needle:
        for row, text in _texts(log, first_row, len(needle) - 1, lower_all=not wanted.isascii()):
            yield [row + index for index in _hits(text, needle)]


def plain(data: bytes) -> bytes:
    """A row as a reader sees it, in its own letters."""
    return _seen(data.rstrip(b"\n"))


def first_error(log: Log, first_row: int = 0) -> int | None:
    """The first row from `first_row` on that speaks of an error: a guess by its words."""
    for row, text in _texts(log, first_row, 0, lower_all=False):
        candidates = sorted({index for word in _WORDS for index in _hits(text, word)})
        lines = text.split(b"\n") if candidates else []
        for index in candidates:
            if _ERROR.search(lines[index]) and not _NONE.search(lines[index]):
                return row + index
    return None


def _hits(text: bytes, needle: bytes) -> Iterator[int]:
    """Which lines of `text` have `needle` in them."""
    line = counted = 0
    at = text.find(needle)
    while at >= 0:
        line += text.count(b"\n", counted, at)
        yield line
        counted = text.find(b"\n", at)
        if counted < 0:
            return
        at = text.find(needle, counted)


def _texts(log: Log, first_row: int, more: int, *, lower_all: bool) -> Iterator[tuple[int, bytes]]:
    """(row, small letters): pieces of the log as lines, one a row, the first of them being that row's.

    A row that was cut is followed by `more` bytes of the next, so that what stands over the cut is found in the first.
    """
    begin = pages.window(log, first_row, 0).place if first_row else rows.Place()
    row, held = begin.row, b""
    for piece in pieces.read(log, begin.offset):
        held += piece
        if len(held) < pieces.BLOCK:
            continue
        cut = held.rfind(b"\n") + 1 or (rows.starts(held) or [(0, False)])[-1][0]
        if held[cut - 1 : cut] == b"\n":
            text = _plain(held[:cut], more, lower_all=lower_all)
        else:
            text = _plain(held[: cut + max(more, 1)], more, lower_all=lower_all).rpartition(b"\n")[0] + b"\n"
        yield row, text
        row += text.count(b"\n")
        held = held[cut:]
    yield row, _plain(held, more, lower_all=lower_all)


def _plain(data: bytes, more: int, *, lower_all: bool) -> bytes:
    data = _seen(_with_newlines(data, more) if rows.has_long_rows(data) else data)
    return data.decode(errors="replace").lower().encode() if lower_all else data.lower()


def _seen(data: bytes) -> bytes:
    if b"\r" in data:
        # From the beginning of a line only: from each of its bytes on would take the square of its length.
        data = re.sub(rb"(?m)^[^\n]*\r", b"", re.sub(rb"\r+(?=\n|$)", b"", data))
    if b"\x1b" in data:
        data = SEQUENCE.sub(b"", data)
    return data


def _with_newlines(data: bytes, more: int) -> bytes:
    """A newline at the end of each row, of those as well that were cut."""
    cuts = [cut for cut, joined in rows.starts(data) if joined]
    parts = [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    overs = [data[cut : cut + more].partition(b"\n")[0] for cut in cuts]
    return b"\n".join(part + over for part, over in zip(parts, [*overs, b""], strict=True))
