"""Pure: the rows of a log as a viewer shows them, and how text looks where one begins.

A row ends after a newline, or is cut where ROW_BYTES have come without newline or carriage return. The browser counts
them by the same rules (`static/js/log_rows.js`): both must give the same rows, wherever they begin to read.
"""

import re
from dataclasses import dataclass

from pipelines.logs import looks

ROW_BYTES = 16384
_STRIDE = ROW_BYTES // 2  # a run of ROW_BYTES without a newline has a whole stride without one
_LOOK_BACK = 63  # a cut spares escape sequences that begin within so many bytes before it
_RETURNS_MAX = 64  # so many carriage returns in a row have wiped the row, whatever follows
_NEWLINE = re.compile(rb"\n")


@dataclass(frozen=True, slots=True)
class Place:
    """A byte to begin reading at: before it stand `row` rows and `line` newlines, and text looks like `look` (SGR).

    `joined`: the row goes on with the line before it, so it has no number of its own.
    """

    offset: int = 0
    row: int = 0
    line: int = 0
    joined: bool = False
    look: str = ""


def advance(place: Place, data: bytes) -> Place:
    """The last place in or right after `data`, which stands at `place`: what follows it has still to be seen."""
    if not has_long_rows(data):
        cut, count = data.rfind(b"\n") + 1, data.count(b"\n")
        return _moved(place, data, cut, count, count, joined=place.joined and not cut)
    begins = starts(data)
    cut, joined = begins[-1] if begins else (0, place.joined)
    lines = data.count(b"\n", 0, cut)
    cut += _redrawn(data[cut:])
    return _moved(place, data, cut, len(begins), lines, joined=joined)


def row_at(place: Place, data: bytes, number: int) -> Place | None:
    """Where row `number` begins, if it does in `data` (or right after it), which stands at `place`."""
    if number == place.row:
        return place
    begins = starts(data)
    if not place.row < number <= place.row + len(begins):
        return None
    cut, joined = begins[number - place.row - 1]
    return _moved(place, data, cut, number - place.row, data.count(b"\n", 0, cut), joined=joined)


def starts(data: bytes) -> list[tuple[int, bool]]:
    """Where rows begin after the first, and whether they go on with the line before them."""
    ends = [match.end() for match in _NEWLINE.finditer(data)]
    if not has_long_rows(data):
        return [(end, False) for end in ends]
    found: list[tuple[int, bool]] = []
    begin = 0
    for end in [*ends, len(data) + 1]:
        found += [(cut, True) for cut in _cuts(data, begin, end - 1)]
        found.append((end, False))
        begin = end
    return found[:-1]


def has_long_rows(data: bytes) -> bool:
    """Whether a row of it may have to be cut; a few that are long enough to be looked at are not."""
    return any(data.find(b"\n", at, at + _STRIDE) < 0 for at in range(0, len(data) - _STRIDE + 1, _STRIDE))


def _cuts(data: bytes, begin: int, end: int) -> list[int]:
    cuts = []
    for segment in re.finditer(rb"[^\r]{%d,}" % (ROW_BYTES + 1), data[begin:end]) if end - begin > ROW_BYTES else ():
        at = begin + segment.start()
        while begin + segment.end() - at > ROW_BYTES:
            at = _cut(data, at + ROW_BYTES)
            cuts.append(at)
    return cuts


def _cut(data: bytes, at: int) -> int:
    """Neither inside a colour nor inside a character."""
    escape = data.rfind(b"\x1b", at - _LOOK_BACK, at)
    if escape >= 0:
        return escape
    back = next((back for back in range(4) if data[at - back] & 0xC0 != 0x80), 0)
    return at - back


def _redrawn(row: bytes) -> int:
    """How much of an unfinished row has been drawn over since."""
    kept = row.rstrip(b"\r")
    return len(row) if len(row) - len(kept) > _RETURNS_MAX else kept.rfind(b"\r") + 1


def _moved(place: Place, data: bytes, cut: int, rows: int, lines: int, *, joined: bool) -> Place:
    look = looks.after(place.look, data[:cut])
    return Place(place.offset + cut, place.row + rows, place.line + lines, joined, look)
