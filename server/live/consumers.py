"""The two sockets: hints about what a page shows, and the bytes of a log."""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Coroutine, Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer

from server.live import subjects
from server.live.entry import ACCESS_SECONDS, NOT_FOUND, Scope, may_see, person_of
from server.live.hub import hub
from server.live.subjects import Subject
from server.live.tail import LogGone, Tail, tails
from server.live.threads import in_thread

SKIP_BYTES = 2 * 1024 * 1024
MAX_SUBJECTS = 100  # that one page may watch
_MAX_MESSAGE = 8192  # characters of a message from a browser

logger = logging.getLogger(__name__)


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """A socket that works in tasks of its own, which end with it."""

    # No channel of its own: a socket must outlive Redis. Hints come through the hub.
    channel_layer_alias = "none"

    async def connect(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        await self.accept()
        await self.begin()

    async def begin(self) -> None:
        """Start what this socket does."""
        raise NotImplementedError

    def work(self, doing: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._guard(doing)))

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """After it nothing may be sent: whatever else this socket does ends first."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await super().close(code, reason)

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a browser says means nothing here, unless a kind of socket knows better."""

    async def _guard(self, doing: Coroutine[Any, Any, None]) -> None:
        """A browser that is gone is no error; anything else closes the socket, and the browser comes again."""
        try:
            await doing
        except OSError:
            pass
        except Exception:
            logger.exception("a socket broke")
            with contextlib.suppress(Exception):
                await self.close(code=1011)


class LogSocket(Socket):
    """`/ws/logs/<id>/?from=<byte>`: binary frames of an 8-byte big-endian offset and the bytes that stand there.

    They follow each other without a gap. Between them comes the text `{"steps": […]}` when a step has begun or ended.
    When the log is closed and sent to its end comes `{"closed": true, "size": N, "steps": […]}`, and the socket closes
    with 1000.

    With `&skip=1` a viewer that is more than SKIP_BYTES behind is told `{"skip": size}` instead, and the socket closes
    with 1000: what is in between can be had by rows (`/logs/<id>/rows/`).
    """

    async def begin(self) -> None:
        self._log_id: int = self.scope["url_route"]["kwargs"]["log_id"]
        self._may_skip = b"skip=1" in self.scope["query_string"]
        self.work(self._serve())

    async def _serve(self) -> None:
        if not await in_thread(_may_read, self.scope, self._log_id):
            await self.close(code=NOT_FOUND)
            return
        self.work(self._watch_access())
        try:
            async with tails().follow(self._log_id) as tail:
                self.work(self._tell_steps(tail))
                async for frame in tail.read(_start(self.scope)):
                    await self.base_send({"type": "websocket.send", "bytes": frame})
                    if self._may_skip and tail.size - int.from_bytes(frame[:8]) > SKIP_BYTES:
                        await self.send(text_data=json.dumps({"skip": tail.size}))
                        await self.close(code=1000)
                        return
        except LogGone:
            await self.close(code=NOT_FOUND)
            return
        end = {"closed": True, "size": tail.size, "steps": [asdict(step) for step in tail.steps]}
        await self.send(text_data=json.dumps(end))
        await self.close(code=1000)

    async def _tell_steps(self, tail: Tail) -> None:
        async for steps in tail.folds():
            await self.send(text_data=json.dumps({"steps": [asdict(step) for step in steps]}))

    async def _watch_access(self) -> None:
        while True:
            await asyncio.sleep(access_seconds())
            if not await in_thread(_may_read, self.scope, self._log_id):
                await self.close(code=NOT_FOUND)
                return


class LiveSocket(Socket):
    """`/ws/live/`: the page sends `{"watch": ["run:12", …]}` and hears `{"subject": "run", "id": 12}` after a change.

    Each `watch` is answered by `{"watching": […]}`: what of it is there and may be seen.
    """

    async def begin(self) -> None:
        self._watched: dict[Subject, Any] = {}
        self._news: dict[Subject, None] = {}
        self._something = asyncio.Event()
        self.work(self._tell())
        self.work(self._watch_access())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        asked = _asked(text_data)
        if asked is None:
            await self.close(code=1008)
            return
        allowed = await in_thread(_visible, self.scope, asked)
        for subject in allowed:
            if len(self._watched) < MAX_SUBJECTS:
                self._listen(subject)
        await self.send(text_data=json.dumps({"watching": [str(s) for s in allowed if s in self._watched]}))

    async def disconnect(self, code: int) -> None:
        for subject in list(self._watched):
            self._leave(subject)
        await super().disconnect(code)

    def _listen(self, subject: Subject) -> None:
        def note() -> None:
            self._news[subject] = None
            self._something.set()

        if subject not in self._watched:
            self._watched[subject] = note
            hub().listen(str(subject), note)

    def _leave(self, subject: Subject) -> None:
        hub().leave(str(subject), self._watched.pop(subject))

    async def _tell(self) -> None:
        """Send what has come since the last time; a subject that changed twice meanwhile is told once."""
        while True:
            await self._something.wait()
            self._something.clear()
            news, self._news = self._news, {}
            for subject in news:
                await self.send(text_data=json.dumps({"subject": subject.kind, "id": subject.id}))

    async def _watch_access(self) -> None:
        while True:
            await asyncio.sleep(access_seconds())
            kept = await in_thread(_visible, self.scope, list(self._watched))
            for subject in set(self._watched) - set(kept):
                self._leave(subject)


class NoSocket(Socket):
    """Any other path."""

    async def begin(self) -> None:
        await self.close(code=NOT_FOUND)


def access_seconds() -> float:
    """Sockets that came together are not asked together."""
    return ACCESS_SECONDS * random.uniform(0.5, 1)  # noqa: S311  no secret


def _start(scope: Scope) -> int:
    """The byte to begin at; 0 for anything that is no number."""
    given = parse_qs(scope["query_string"].decode("latin-1")).get("from", ["0"])[0]
    return int(given) if given.isascii() and given.isdigit() and len(given) <= 18 else 0


def _asked(text: str | None) -> list[Subject] | None:
    """What a message asks to watch; None for a message that is not ours."""
    try:
        message = json.loads(text or "") if len(text or "") <= _MAX_MESSAGE else None
    except (ValueError, RecursionError):
        return None
    watch = message.get("watch") if isinstance(message, dict) else None
    if not isinstance(watch, list):
        return None
    found = (subjects.parse(one) for one in watch[:MAX_SUBJECTS])
    return [subject for subject in found if subject is not None]


def _may_read(scope: Scope, log_id: int) -> bool:
    return may_see(scope, subjects.project_of_log(log_id))


def _visible(scope: Scope, asked: Iterable[Subject]) -> list[Subject]:
    """Who is not signed in costs no more than that question, however much is asked."""
    person = person_of(scope)
    if not person.is_authenticated:
        return []
    return [subject for subject in dict.fromkeys(asked) if subjects.may_watch(person, subject)]
