"""Where reading can begin: the places that a log keeps, and windows of rows found by them."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass

from pipelines.logs import pieces, rows
from pipelines.logs.models import Chunk, Log, Page
from pipelines.logs.rows import Place
from pipelines.logs.times import Stamp, unpack

STEP = 256 * 1024  # bytes from one page to the next, about


@dataclass(frozen=True, slots=True)
class Window:
    """Some rows of a log: `data` begins at `place` and ends where a row ends, or with the log."""

    place: Place
    data: bytes


def settle(log: Log, data: bytes) -> tuple[Place, bytes, list[Page]]:
    """What appending `data` makes of the log's last place, the bytes that follow that, and the pages it passes."""
    place, held = _last(log)
    passed = []
    for at in range(0, len(data), STEP):
        held += data[at : at + STEP]
        before, place = place, rows.advance(place, held)
        held = held[place.offset - before.offset :]
        if place.offset // STEP > before.offset // STEP:
            passed.append(page(log, place))
    return place, held, passed


def page(log: Log, place: Place, packed: int | None = None, times: bytes = b"") -> Page:
    """A page to be stored."""
    own = {"offset": place.offset, "row": place.row, "line": place.line, "joined": place.joined, "look": place.look}
    return Page(log=log, packed=packed, times=times, **own)


def totals(log: Log) -> tuple[int, int]:
    """How many rows and lines it has, the unfinished last ones included."""
    place, held = _last(log)
    begun = rows.starts(held)
    last, joined = begun[-1] if begun else (0, place.joined)
    is_open = len(held) > last
    lines = place.line + held.count(b"\n") + (is_open and not joined)
    return place.row + len(begun) + is_open, lines


def window(log: Log, first: int, count: int) -> Window:
    """Rows `first` to `first + count`; fewer where the log ends."""
    found = _place_before(log, row__lte=first)
    held, end = b"", None
    begin: Place | None = found if found.row == first else None
    for piece in _gathered(log, found.offset):
        held += piece
        begin = begin or rows.row_at(found, held, first)
        end = rows.row_at(found, held, first + count) if begin else None
        if end:
            break
    if begin is None:
        return Window(rows.advance(found, held), b"")
    stop = end.offset - found.offset if end else len(held)
    return Window(begin, held[begin.offset - found.offset : stop])


def row_of_byte(log: Log, offset: int) -> int:
    """The first row that begins at `offset` or later."""
    found = _place_before(log, offset__lte=offset)
    data = b"".join(pieces.read(log, found.offset, offset))
    if found.offset == offset:
        return found.row
    begun = rows.starts(data)
    return found.row + len(begun) + (not begun or begun[-1][0] != len(data))


def row_of_line(log: Log, number: int) -> int:
    """The row that line `number`, counted from 1, begins in; the last one's when there are not so many."""
    if number < 2:
        return 0
    found = _place_before(log, line__lt=number, joined=False)
    row, left = found.row, number - 1 - found.line
    held = b""
    for piece in _gathered(log, found.offset):
        held += piece
        numbered = [index for index, (_, joined) in enumerate(rows.starts(held), 1) if not joined]
        if len(numbered) >= left:
            return row + numbered[left - 1] if left else row
    return max(totals(log)[0] - 1, 0)


def stamps(log: Log, start: int, end: int) -> list[Stamp]:
    """When the bytes from `start` to `end` were stored: the first entry may begin before them."""
    if log.archive:
        kept = list(Page.objects.filter(log=log, offset__lt=end).order_by("-offset")[: 3 + (end - start) // STEP])
        found = [stamp for one in reversed(kept) for stamp in unpack(bytes(one.times))]
    else:
        chunks = Chunk.objects.filter(log=log, offset__lt=end).exclude(at=None).order_by("offset")
        first = chunks.filter(offset__lte=start).values_list("offset", flat=True).last() or 0
        rows_of = chunks.filter(offset__gte=first).values_list("offset", "at")
        found = [(offset, int(at.timestamp() * 1000)) for offset, at in rows_of if at]
    begin = max((index for index, stamp in enumerate(found) if stamp[0] <= start), default=0)
    return [stamp for stamp in found[begin:] if stamp[0] < end]


def ensure(log: Log) -> None:
    """Lay places over a log that was written before there were any; it may be read meanwhile."""
    if log.place is not None or not log.size:
        return
    place, held = Place(), b""
    made = []
    for piece in _gathered(log, 0):
        held += piece
        before, place = place, rows.advance(place, held)
        held = held[place.offset - before.offset :]
        made.append(page(log, place))
    if not log.archive:
        Page.objects.bulk_create(made, ignore_conflicts=True)
    Log.objects.filter(pk=log.pk, size=log.size).update(place=astuple(place))
    log.place = list(astuple(place))


def hold(log: Log, place: Place, held: bytes) -> None:
    """Note what `settle` found, now that it is stored."""
    log.place = list(astuple(place))
    log.__dict__["_held"] = (place.offset, held)


def _last(log: Log) -> tuple[Place, bytes]:
    """The last place that is settled, and what stands behind it: kept with the record between two appends."""
    ensure(log)
    place = Place(*log.place) if log.place else Place()
    offset, held = log.__dict__.get("_held", (-1, b""))
    if offset != place.offset or offset + len(held) != log.size:
        held = b"".join(pieces.read(log, place.offset))
    return place, held


def _place_before(log: Log, **wanted: object) -> Place:
    found = Page.objects.filter(log=log, **wanted).order_by("offset").last()
    return Place(found.offset, found.row, found.line, found.joined, found.look) if found else Place()


def _gathered(log: Log, start: int) -> Iterator[bytes]:
    """Pieces of a size that is worth the search."""
    held = bytearray()
    for piece in pieces.read(log, start):
        held += piece
        if len(held) >= STEP:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
