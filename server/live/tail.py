"""Follow a growing log: read once per process, by byte offset, for all who watch it."""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pipelines.logs import store
from pipelines.logs.models import Log
from server.live.hub import hub
from server.live.publish import log_name
from server.live.steps import StepMarks, steps_of
from server.live.threads import in_thread

FRAME = 64 * 1024  # bytes yielded at a time, at most
RECENT = 1024 * 1024  # newest bytes kept for those who are nearly up to date
POLL_SECONDS = 2.0  # without a hint: hints may be lost
_HEAD_BYTES = 16

logger = logging.getLogger(__name__)


class LogGone(Exception):
    """The log, or the part of it that was asked for, is no longer stored."""


@dataclass(frozen=True, slots=True)
class News:
    """A log's newest bytes: `data` ends at byte `size`; `steps` are all so far."""

    size: int
    closed: bool
    data: bytes
    steps: tuple[StepMarks, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a log as pages get it: the log's id and the offset (8 bytes each, big-endian), then the bytes that
    stand there, up to byte `end`."""

    sent: bytes
    end: int

    @property
    def data(self) -> bytes:
        return self.sent[_HEAD_BYTES:]


class Tail:
    """A log as this process knows it: its size, whether it is closed, and its newest bytes.

    A viewer that is slow, or has just come, finds its place behind them and reads by itself from the store; so nobody
    waits for anybody, and no viewer's backlog is held in memory.
    """

    def __init__(self, log_id: int) -> None:
        self.log_id = log_id
        self.size = 0
        self.closed = False
        self.gone = False
        self.steps: tuple[StepMarks, ...] = ()
        self._recent = b""
        self._look = asyncio.Event()
        self._frame = (-1, Frame(b"", -1))  # the last one made, and where it begins
        self._grown = Bell()
        self._stepped = Bell()

    def nudge(self) -> None:
        """There may be more: look now."""
        self._look.set()

    async def run(self) -> None:
        """Look at each nudge, and every POLL_SECONDS, until the log is closed or gone."""
        while not (self.closed or self.gone):
            self._look.clear()
            try:
                self._take(await in_thread(_news, self.log_id, self.size))
            except Exception:
                logger.exception("log %d cannot be read now; trying again", self.log_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._look.wait()

    def _take(self, news: News | None) -> None:
        before = self.steps
        if news is None:
            self.gone = True
        else:
            grown = news.size - self.size
            kept = self._recent if len(news.data) == grown else b""
            self._recent = (kept + news.data)[-RECENT:]
            self.size, self.closed, self.steps = news.size, news.closed, news.steps
        self._grown.ring()
        if self.closed or self.gone or self.steps != before:
            self._stepped.ring()

    async def read(self, start: int) -> AsyncIterator[Frame]:
        """Frames from `start` on, as they come, until the log is closed; raises LogGone."""
        at = start
        while True:
            while not (self.size > at or self.closed or self.gone):
                await self._grown.wait()
            if self.gone:
                raise LogGone
            if at >= self.size:
                return
            async for frame in self._since(at):
                yield frame
                at = frame.end

    async def folds(self) -> AsyncIterator[tuple[StepMarks, ...]]:
        """The steps so far, each time that they change, until the log is closed or gone."""
        told: tuple[StepMarks, ...] = ()
        while not (self.closed or self.gone):
            if self.steps == told:
                await self._stepped.wait()
            else:
                told = self.steps
                yield told

    async def _since(self, at: int) -> AsyncIterator[Frame]:
        """From memory when it is there, else from the store up to what is known now."""
        behind = self.size - at
        if behind <= len(self._recent):
            yield self._framed(at, len(self._recent) - behind)
            return
        async for data in _stored(self.log_id, at, self.size):
            yield self._frame_of(at, data)
            at += len(data)

    def _framed(self, at: int, begin: int) -> Frame:
        """Made once for all who are as far as each other."""
        known_at, known = self._frame
        if (known_at, known.end) != (at, min(self.size, at + FRAME)):
            known = self._frame_of(at, self._recent[begin : begin + FRAME])
            self._frame = (at, known)
        return known

    def _frame_of(self, at: int, data: bytes) -> Frame:
        return Frame(self.log_id.to_bytes(8) + at.to_bytes(8) + data, at + len(data))


class Bell:
    """Wakes all who wait; cheaper than asyncio's Condition, in which a thousand wake one by one for a lock."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Until it rings the next time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def ring(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


async def _stored(log_id: int, start: int, end: int) -> AsyncIterator[bytes]:
    log = await in_thread(Log.objects.filter(pk=log_id).first)
    if log is None:
        raise LogGone
    pieces = store.read(log, start, end)
    at = start
    try:
        while piece := await in_thread(next, pieces, b""):
            for begin in range(0, len(piece), FRAME):
                yield piece[begin : begin + FRAME]
            at += len(piece)
    finally:
        pieces.close()  # type: ignore[attr-defined]  # a generator
    if at == start:
        raise LogGone


def _news(log_id: int, known: int) -> News | None:
    log = Log.objects.filter(pk=log_id).first()
    if log is None:
        return None
    start = max(known, log.size - RECENT)
    data = b"".join(store.read(log, start))
    is_whole = len(data) == log.size - start
    return News(log.size, log.closed_at is not None, data if is_whole else b"", steps_of(log_id))


class Tails:
    """The tails of one event loop; each runs while somebody follows it."""

    def __init__(self) -> None:
        self._tails: dict[int, Tail] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._viewers: dict[int, int] = {}

    @contextlib.asynccontextmanager
    async def follow(self, log_id: int) -> AsyncIterator[Tail]:
        tail = self._tails.get(log_id) or self._begin(log_id)
        self._viewers[log_id] += 1
        try:
            yield tail
        finally:
            self._viewers[log_id] -= 1
            if not self._viewers[log_id]:
                self._end(log_id)

    def _begin(self, log_id: int) -> Tail:
        tail = self._tails[log_id] = Tail(log_id)
        self._viewers[log_id] = 0
        hub().listen(log_name(log_id), tail.nudge)
        self._tasks[log_id] = asyncio.create_task(tail.run())
        return tail

    def _end(self, log_id: int) -> None:
        hub().leave(log_name(log_id), self._tails.pop(log_id).nudge)
        self._tasks.pop(log_id).cancel()
        del self._viewers[log_id]


_tails: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Tails] = weakref.WeakKeyDictionary()


def tails() -> Tails:
    """The tails of the running event loop."""
    return _tails.setdefault(asyncio.get_running_loop(), Tails())
