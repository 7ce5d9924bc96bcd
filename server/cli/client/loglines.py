"""The lines of several logs on one terminal: all there is, or as they come."""

import codecs
import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from server.cli.client import following, logstream, terminal
from server.cli.client.connection import Connection, Document
from server.cli.controls import coloured, last_state, plain


@dataclass(frozen=True, slots=True)
class Source:
    """A log, and whose it is."""

    name: str
    attempt: int
    log: int


class Origin(Protocol):
    """What has logs: a run or a deploy."""

    def look(self) -> Document: ...
    def sources(self, document: Document) -> list[Source]: ...
    def names(self, document: Document) -> list[str]: ...


class Sheet:
    """Where lines are put: whole ones only. May be used from several threads."""

    def __init__(self, names: list[str], *, as_json: bool) -> None:
        self._as_json = as_json
        self._width = max(map(len, names), default=0) if len(names) > 1 else 0
        self._clean = coloured if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plain
        self._lock = threading.Lock()

    def put(self, source: Source, line: str) -> None:
        with self._lock:
            if self._as_json:
                terminal.put_line({"name": source.name, "attempt": source.attempt, "line": line})
            else:
                prefix = f"{plain(source.name):<{self._width}} │ " if self._width else ""
                sys.stdout.write(f"{prefix}{self._clean(last_state(line))}\n")

    def flush(self) -> None:
        with self._lock:
            sys.stdout.flush()


def put(server: Connection, origin: Origin, as_json: bool) -> None:
    """All that the logs hold by now, one after the other."""
    found = origin.look()
    sheet = Sheet(origin.names(found), as_json=as_json)
    for source in origin.sources(found):
        for line in lines(_decoded(logstream.whole(server, source.log))):
            sheet.put(source, line)
    sheet.flush()


def follow(server: Connection, origin: Origin, as_json: bool) -> Document:
    """The logs as they grow, each on a thread of its own, until all is over; gives how it ended."""
    sheet: Sheet | None = None
    threads: dict[int, threading.Thread] = {}
    broken: queue.SimpleQueue[Exception] = queue.SimpleQueue()
    found: Document = {}
    for found in following.states(origin.look):
        sheet = sheet or Sheet(origin.names(found), as_json=as_json) if origin.names(found) else sheet
        for source in origin.sources(found):
            if source.log not in threads and sheet is not None:
                arguments = (server, source, sheet, broken)
                threads[source.log] = threading.Thread(target=_follow_one, args=arguments, daemon=True)
                threads[source.log].start()
        _raise_first(broken)
    for thread in threads.values():
        thread.join()
    _raise_first(broken)
    return found


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """Whole lines, and at the end what has no end of its own."""
    begun = ""
    for piece in pieces:
        *whole, begun = (begun + piece).split("\n")
        yield from whole
    if begun:
        yield begun


def _follow_one(server: Connection, source: Source, sheet: Sheet, broken: "queue.SimpleQueue[Exception]") -> None:
    try:
        for line in lines(logstream.follow(server, source.log)):
            sheet.put(source, line)
            sheet.flush()
    except Exception as error:  # told in the thread that waits for it
        broken.put(error)


def _raise_first(broken: "queue.SimpleQueue[Exception]") -> None:
    if not broken.empty():
        raise broken.get()


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
