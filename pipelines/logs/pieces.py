"""Read logs by byte offset: from their chunks, and from their archive when they have one."""

import gzip
from collections.abc import Iterator

from django.core.files.storage import default_storage

from pipelines.logs.models import Chunk, Log, Page

BLOCK = 256 * 1024  # bytes read or compressed at a time
_AT_ONCE = 256  # chunks in a query, at most: of a stage that says little they are tiny


def read(log: Log, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes from `start` to `end` (to what was stored at the call, when None), in pieces of bounded size."""
    stop = log.size if end is None else min(end, log.size)
    at = start
    if at >= stop:
        return
    for offset, data in _pieces(log, start):
        piece = data[at - offset : stop - offset]
        at += len(piece)
        yield piece
        if at >= stop:
            return


def tail(log: Log, size: int) -> bytes:
    """The last `size` bytes."""
    return b"".join(read(log, max(log.size - size, 0)))


def _pieces(log: Log, start: int) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) from the piece that holds `start`; goes over to the archive if the chunks go away meanwhile."""
    at = start
    if not log.archive:
        for offset, data in _chunked(log, start):
            yield offset, data
            at = offset + len(data)
        if at >= log.size:
            return
        log.refresh_from_db(fields=["archive"])
    if log.archive:
        yield from _archived(log, at)


def _chunked(log: Log, start: int) -> Iterator[tuple[int, bytes]]:
    """About a block a query: neither a read transaction nor a whole log is held while a slow reader takes it."""
    chunks = Chunk.objects.filter(log=log).order_by("offset").values_list("offset", "data")
    found = list(chunks.filter(offset__lte=start).order_by("-offset")[:1])
    while found:
        for offset, data in found:
            yield offset, bytes(data)
        until, taken = found[-1][0] + len(found[-1][1]), sum(len(data) for _, data in found)
        many = min(max(len(found) * BLOCK // max(taken, 1), 1), 2 * len(found), _AT_ONCE)
        found = list(chunks.filter(offset__gte=until)[:many])


def _archived(log: Log, start: int) -> Iterator[tuple[int, bytes]]:
    """From the member of the archive that holds `start`: a gzip stream can begin at any of them."""
    pages = Page.objects.filter(log=log, offset__lte=start).exclude(packed=None).order_by("offset")
    page = pages.last() if start else None
    with default_storage.open(log.archive) as stored:
        offset = page.offset if page else 0
        stored.seek(page.packed or 0 if page else 0)
        with gzip.open(stored) as text:
            text.seek(start - offset)
            offset = start
            while data := text.read(BLOCK):
                yield offset, data
                offset += len(data)
