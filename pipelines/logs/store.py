"""Append to logs, close them, and archive them."""

import gzip
import tempfile
from collections.abc import Iterator
from dataclasses import astuple
from functools import partial
from typing import IO

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from pipelines.errors import LostRace, SystemFault
from pipelines.logs import pages, rows, times
from pipelines.logs.models import Chunk, Log, Page
from pipelines.logs.pieces import BLOCK as BLOCK
from pipelines.logs.pieces import read as read
from pipelines.logs.pieces import tail as tail
from pipelines.logs.rows import Place
from pipelines.logs.signals import appended


class BrokenLog(SystemFault):
    """A log lacks some of what was written to it: restore the database's table of chunks from a backup."""


def open_log() -> Log:
    return Log.objects.create()


def open_logs(count: int) -> list[Log]:
    return Log.objects.bulk_create(Log() for _ in range(count))


def append(log: Log, data: bytes, raw_until: int) -> None:
    """Add `data` at the end; call it inside the transaction that proved the right to write.

    `log.size` must be the size that the caller last knew: raises LostRace if somebody else has appended meanwhile.
    """
    size = log.size + len(data)
    place, held, passed = pages.settle(log, data)
    mine = Log.objects.filter(pk=log.pk, size=log.size, closed_at=None)
    if mine.update(size=size, raw_size=raw_until, place=astuple(place)) != 1:
        raise LostRace(f"log {log.pk} has grown by another hand, or is closed")
    if data:
        Chunk.objects.create(log=log, offset=log.size, raw_until=raw_until, data=data, at=timezone.now())
    if passed:
        Page.objects.bulk_create(passed)
    log.size, log.raw_size = size, raw_until
    pages.hold(log, place, held)
    transaction.on_commit(partial(_tell, log.pk, size, closed=False), robust=True)


def close(log: Log) -> None:
    """Nothing more will come; closing twice is harmless."""
    Log.objects.filter(pk=log.pk, closed_at=None).update(closed_at=timezone.now())
    transaction.on_commit(partial(_tell, log.pk, log.size, closed=True), robust=True)


def archive(log: Log) -> None:
    """Compress a closed log into storage and let its chunk rows go.

    The file is one gzip stream of many members, each a page that can be read by itself. A crash in between leaves the
    chunks readable; of two processes at once one wins. Raises BrokenLog, and leaves all as it is, when the chunks are
    not all that was written.
    """
    with tempfile.TemporaryFile() as packed:
        made = list(_pack(log, packed))
        packed.seek(0)
        name = default_storage.save(f"logs/{log.pk // 1000}/{log.pk}.gz", File(packed))
    with transaction.atomic():
        mine = Log.objects.filter(pk=log.pk, archive="").update(archive=name) == 1
        if mine:
            Chunk.objects.filter(log=log).delete()
            Page.objects.filter(log=log).delete()
            Page.objects.bulk_create(made, batch_size=100)
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


def _pack(log: Log, packed: IO[bytes]) -> Iterator[Page]:
    size = 0
    for place, data in _cut(log):
        stamps = pages.stamps(log, place.offset, place.offset + len(data))
        yield pages.page(log, place, packed.tell(), times.pack(stamps))
        packed.write(gzip.compress(data, 6))
        size += len(data)
    if size != log.size:
        raise BrokenLog(f"log {log.pk} has {size} of its {log.size} bytes: its rows stay as they are")


def _cut(log: Log) -> Iterator[tuple[Place, bytes]]:
    """The log in pages of at most a block; the last may be empty."""
    place, held = Place(), b""
    for piece in read(log):
        for at in range(0, len(piece), BLOCK):
            held += piece[at : at + BLOCK]
            while len(held) >= BLOCK:
                after = rows.advance(place, held[:BLOCK])
                size = after.offset - place.offset  # never 0: no row is as long as a block
                yield place, held[:size]
                place, held = after, held[size:]
    yield place, held
