"""The one socket of a page: hints about what it shows, and the bytes of the logs in it."""

import asyncio
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from server.live import asks, subjects
from server.live.consumers import Socket, access_seconds
from server.live.entry import NOT_FOUND, Scope, person_of
from server.live.hub import hub
from server.live.subjects import Subject
from server.live.tail import LogGone, Tail, tails
from server.live.threads import in_thread

WINDOW = 512 * 1024  # bytes of a log under way to a page: what comes after them waits no longer than they take
SKIP_BYTES = 2 * 1024 * 1024
MAX_LOGS = 10  # that one page may follow


class PageSocket(Socket):
    """`/ws/live/`. The page sends JSON, each message of which asks for one thing:

    - `{"watch": ["run:12", …]}`, answered by `{"watching": […]}`: what of it is there and may be seen. From then on
      `{"subject": "run", "id": 12}` comes after each change.
    - `{"log": 7, "from": BYTE}`: binary frames come, of the log's id and an offset (8 bytes each, big-endian) and the
      bytes that stand there; they follow each other without a gap. Between them comes `{"log": 7, "steps": […]}` when a
      step has begun or ended. At last comes `{"log": 7, "closed": true, "size": BYTE, "steps": […]}`, or
      `{"log": 7, "gone": true}` when it is not there or not for this person, now or no longer.
      With `"skip": true` a page that is more than SKIP_BYTES behind is told `{"log": 7, "skip": size}` and no more:
      what is in between can be had by rows (`/logs/<id>/rows/`).
    - `{"log": 7, "had": BYTE}`: the page has what stands before it. No more than WINDOW is sent beyond that, so a slow
      reader's backlog is in nobody's memory, and hints do not queue behind it.
    - `{"leave": 7}`: no more of that log.

    Every few seconds comes `{"beat": true}`. Closes with NOT_FOUND for who is not, or no longer, signed in, 1008 for a
    message that is none of these, 1011 for a fault of ours.
    """

    async def begin(self) -> None:
        self._watched: dict[Subject, Any] = {}
        self._followed: dict[int, Followed] = {}
        self._news: dict[Subject, None] = {}
        self._something = asyncio.Event()
        self.work(self._tell_news())
        self.work(self._watch_access())
        self.work(self.beat())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        match asks.parse(text_data):
            case asks.Watch(named):
                await self._watch(named)
            case asks.Follow() as ask if len(self._followed.keys() | {ask.log_id}) <= MAX_LOGS:
                await self._begin(ask)
            case asks.Had(log_id, end):
                if followed := self._followed.get(log_id):
                    followed.room.clear_to(end)
            case asks.Leave(log_id):
                await self._end(log_id)
            case _:
                await self.close(code=1008)

    async def disconnect(self, code: int) -> None:
        for subject in list(self._watched):
            self._leave(subject)
        await super().disconnect(code)

    async def _watch(self, named: Collection[Subject]) -> None:
        granted = await in_thread(_granted, self.scope, named, ())
        if granted is None:
            await self.close(code=NOT_FOUND)
            return
        for subject in granted.subjects:
            if len(self._watched) < asks.MAX_SUBJECTS:
                self._listen(subject)
        await self.tell(watching=[str(subject) for subject in granted.subjects if subject in self._watched])

    def _listen(self, subject: Subject) -> None:
        def note() -> None:
            self._news[subject] = None
            self._something.set()

        if subject not in self._watched:
            self._watched[subject] = note
            hub().listen(str(subject), note)

    def _leave(self, subject: Subject) -> None:
        hub().leave(str(subject), self._watched.pop(subject))

    async def _tell_news(self) -> None:
        """Send what has come since the last time; a subject that changed twice meanwhile is told once."""
        while True:
            await self._something.wait()
            self._something.clear()
            news, self._news = self._news, {}
            for subject in news:
                await self.tell(subject=subject.kind, id=subject.id)

    async def _begin(self, ask: asks.Follow) -> None:
        """Who asks again gets it from there, and no more of before."""
        await self._end(ask.log_id)
        room = Room(ask.start)
        self._followed[ask.log_id] = Followed(self.work(self._follow(ask, room)), room)

    async def _end(self, log_id: int) -> None:
        """When this returns, no more of it is sent."""
        if followed := self._followed.pop(log_id, None):
            followed.task.cancel()
            await asyncio.wait([followed.task])

    async def _follow(self, ask: asks.Follow, room: "Room") -> None:
        granted = await in_thread(_granted, self.scope, (), (ask.log_id,))
        if granted is None:
            await self.close(code=NOT_FOUND)
            return
        last = await self._send_log(ask, room) if granted.logs else {"gone": True}
        del self._followed[ask.log_id]
        await self.tell(log=ask.log_id, **last)

    async def _send_log(self, ask: asks.Follow, room: "Room") -> dict[str, object]:
        """What is to be told at last."""
        async with tails().follow(ask.log_id) as tail:
            steps = self.work(self._tell_steps(tail))
            try:
                async for frame in tail.read(ask.start):
                    await self.base_send({"type": "websocket.send", "bytes": frame.sent})
                    await room.wait(frame.end)
                    if ask.may_skip and tail.size - frame.end > SKIP_BYTES:
                        return {"skip": tail.size}
            except LogGone:
                return {"gone": True}
            finally:
                steps.cancel()
            return {"closed": True, "size": tail.size, "steps": [asdict(step) for step in tail.steps]}

    async def _tell_steps(self, tail: Tail) -> None:
        async for steps in tail.folds():
            await self.tell(log=tail.log_id, steps=[asdict(step) for step in steps])

    async def _watch_access(self) -> None:
        while True:
            await asyncio.sleep(access_seconds())
            granted = await in_thread(_granted, self.scope, list(self._watched), list(self._followed))
            if granted is None:
                await self.close(code=NOT_FOUND)
                return
            for subject in self._watched.keys() - granted.subjects:
                self._leave(subject)
            for log_id in self._followed.keys() - granted.logs:
                await self._end(log_id)
                await self.tell(log=log_id, gone=True)


class Room:
    """How much more of a log may be under way to one page."""

    def __init__(self, start: int) -> None:
        self._had = start
        self._cleared = asyncio.Event()

    def clear_to(self, end: int) -> None:
        """The page has what stands before `end`."""
        self._had = max(self._had, end)
        self._cleared.set()

    async def wait(self, sent: int) -> None:
        """Until there is room for more, what stands before `sent` having been sent."""
        while sent - self._had >= WINDOW:
            self._cleared.clear()
            await self._cleared.wait()


@dataclass(frozen=True, slots=True)
class Followed:
    """A log that a page follows: who sends it, and how far the page has come."""

    task: asyncio.Task[None]
    room: Room


@dataclass(frozen=True, slots=True)
class Granted:
    """What a person may hear of what they asked for."""

    subjects: list[Subject]
    logs: set[int]


def _granted(scope: Scope, named: Collection[Subject], log_ids: Collection[int]) -> Granted | None:
    """None for who is not signed in, which costs no more than that question, however much is asked."""
    person = person_of(scope)
    if not person.is_authenticated:
        return None
    readable = {log_id for log_id in log_ids if subjects.may_read(person, log_id)}
    return Granted([subject for subject in named if subjects.may_watch(person, subject)], readable)
