"""Append to logs and read them by byte offset."""

import gzip
import tempfile
from collections.abc import Iterator
from functools import partial

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from pipelines.errors import LostRace, SystemFault
from pipelines.logs.models import Chunk, Log
from pipelines.logs.signals import appended

BLOCK = 256 * 1024  # bytes read or compressed at a time


class BrokenLog(SystemFault):
    """A log lacks some of what was written to it: restore the database's table of chunks from a backup."""


def open_log() -> Log:
    return Log.objects.create()


def append(log: Log, data: bytes, raw_until: int) -> None:
    """Add `data` at the end; call it inside the transaction that proved the right to write.

    `log.size` must be the size that the caller last knew: raises LostRace if somebody else has appended meanwhile.
    """
    size = log.size + len(data)
    rows = Log.objects.filter(pk=log.pk, size=log.size, closed_at=None).update(size=size, raw_size=raw_until)
    if rows != 1:
        raise LostRace(f"log {log.pk} has grown by another hand, or is closed")
    if data:
        Chunk.objects.create(log=log, offset=log.size, raw_until=raw_until, data=data)
    log.size, log.raw_size = size, raw_until
    transaction.on_commit(partial(_tell, log.pk, size, closed=False), robust=True)


def close(log: Log) -> None:
    """Nothing more will come; closing twice is harmless."""
    Log.objects.filter(pk=log.pk, closed_at=None).update(closed_at=timezone.now())
    transaction.on_commit(partial(_tell, log.pk, log.size, closed=True), robust=True)


def read(log: Log, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes from `start` to `end` (to what was stored at the call, when None), in pieces of bounded size."""
    stop = log.size if end is None else min(end, log.size)
    at = start
    for offset, data in _pieces(log, start):
        if at >= stop:
            return
        piece = data[at - offset : stop - offset]
        at += len(piece)
        yield piece


def tail(log: Log, size: int) -> bytes:
    """The last `size` bytes."""
    return b"".join(read(log, max(log.size - size, 0)))


def archive(log: Log) -> None:
    """Compress a closed log into storage and let its chunk rows go.

    A crash in between leaves the chunks readable; of two processes at once one wins. Raises BrokenLog, and leaves all
    as it is, when the chunks are not all that was written.
    """
    with tempfile.TemporaryFile() as packed:
        size = 0
        for block in _blocks(log):
            packed.write(gzip.compress(block, 6))
            size += len(block)
        if size != log.size:
            raise BrokenLog(f"log {log.pk} has {size} of its {log.size} bytes: its rows stay as they are")
        packed.seek(0)
        name = default_storage.save(f"logs/{log.pk // 1000}/{log.pk}.gz", File(packed))
    with transaction.atomic():
        mine = Log.objects.filter(pk=log.pk, archive="").update(archive=name) == 1
        if mine:
            Chunk.objects.filter(log=log).delete()
    if not mine:
        default_storage.delete(name)


def doubled_or_missing() -> list[int]:
    """Ids of logs whose chunks do not lie end to end; for tests: always empty."""
    broken = []
    for log in Log.objects.filter(archive=""):
        at = 0
        for offset, data in Chunk.objects.filter(log=log).order_by("offset").values_list("offset", "data"):
            if offset != at:
                broken.append(log.pk)
                break
            at += len(data)
        else:
            if at != log.size:
                broken.append(log.pk)
    return broken


def _tell(log_id: int, size: int, *, closed: bool) -> None:
    appended.send(Log, log_id=log_id, size=size, closed=closed)


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
    """One row a query: neither a read transaction nor a whole log is held while a slow reader takes it."""
    rows = Chunk.objects.filter(log=log).order_by("offset").values_list("offset", "data")
    first = rows.filter(offset__lte=start).last()
    while first is not None:
        offset, data = first[0], bytes(first[1])
        yield offset, data
        first = rows.filter(offset__gte=offset + len(data)).first()


def _archived(log: Log, start: int) -> Iterator[tuple[int, bytes]]:
    with default_storage.open(log.archive) as stored, gzip.open(stored) as text:
        text.seek(start)
        offset = start
        while data := text.read(BLOCK):
            yield offset, data
            offset += len(data)


def _blocks(log: Log) -> Iterator[bytes]:
    held = bytearray()
    for piece in read(log):
        held += piece
        while len(held) >= BLOCK:
            yield bytes(held[:BLOCK])
            del held[:BLOCK]
    yield bytes(held)
