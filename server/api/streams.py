"""A log as it grows, as server-sent events: one tail per log and process, whoever listens."""

import asyncio
import codecs
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Field, Query, Router, Schema
from ninja.errors import Throttled

from pipelines.deploys.models import Deploy, HostDeploy
from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.people import tokens
from pipelines.runs.models import Attempt
from pipelines.services.models import Service
from server import access, fetching
from server.access import Act, Bearer, Person
from server.api import description
from server.api.callers import caller, name_of
from server.live.entry import person_of
from server.live.subjects import project_of_log
from server.live.tail import Frame, LogGone, tails
from server.live.threads import in_thread

router = Router(tags=["Logs"])
_EVENT = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "event": {"enum": ["output", "end"]}, "data": {"type": "string"}},
    "required": ["id", "event", "data"],
}
EVENTS = description.raw("text/event-stream", "Events until the log is complete", _EVENT)
BEAT_SECONDS = 15.0  # without news: proxies end what is silent for long
ACCESS_SECONDS = 60.0  # after so long it is asked again whether the caller may
LIFE_SECONDS = 3600.0  # then a client comes again, from where it was
MOST = 20  # streams of one caller in this process

_open: Counter[str] = Counter()


class From(Schema):
    """Where to begin: the header `Last-Event-ID`, if there is one, goes before."""

    start: int = Field(0, ge=0, le=2**53, description="The byte to begin at")


class Text:
    """Bytes of a log as events; a letter that is cut between two frames comes with the second."""

    def __init__(self, start: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = start

    def event(self, data: bytes, *, final: bool = False) -> bytes:
        """Empty while there is nothing to say."""
        text = self._decoder.decode(data, final)
        self._at += len(data)
        told = self._at - len(self._decoder.getstate()[0])
        return _event("output", {"text": text}, told) if text else b""


@router.get("/logs/{int:log}/events", response={200: None}, openapi_extra=EVENTS)
def log_events(request: HttpRequest, log: int, begin: Query[From]) -> StreamingHttpResponse:
    """A log as it grows, as server-sent events, to its end.

    `event: output` has the byte after it as its `id`, and `{"text"}` as its data; `event: end` has `{"status",
    "bytes"}`.
    Streams are ended after an hour, and for who may no longer read: come again with `Last-Event-ID`.
    """
    found, person = fetching.log(caller(request), log), caller(request)
    start = min(_last_event(request, begin.start), found.size)
    if _open[name_of(person)] >= MOST:
        raise Throttled(wait=int(BEAT_SECONDS))
    follows = _follow(request, person, found.pk, start) if isinstance(request, ASGIRequest) else _so_far(found, start)
    answer = StreamingHttpResponse(follows, content_type="text/event-stream")
    answer["Cache-Control"], answer["X-Accel-Buffering"] = "no-store", "no"
    return answer


async def _follow(request: HttpRequest, person: Person, log_id: int, start: int) -> AsyncIterator[bytes]:
    name = name_of(person)
    _open[name] += 1
    try:
        async with tails().follow(log_id) as tail:
            async for event in _told(tail.read(start), start, partial(_may_still, request, person, log_id)):
                yield event
            if tail.closed:
                yield await in_thread(_end, log_id)
    except LogGone:
        return
    finally:
        _open[name] -= 1
        if not _open[name]:
            del _open[name]


async def _told(frames: AsyncIterator[Frame], start: int, may_still: partial[bool]) -> AsyncIterator[bytes]:
    """Events until the log is closed; comments while nothing comes. It ends early for who may no longer read."""
    text, began, asked = Text(start), time.monotonic(), time.monotonic()
    async for frame in _or_silence(frames):
        now = time.monotonic()
        if now - began > LIFE_SECONDS:
            return
        if now - asked > ACCESS_SECONDS:
            asked = now
            if not await in_thread(may_still):
                return
        if event := text.event(frame.data) if frame else b": still here\n\n":
            yield event
    if event := text.event(b"", final=True):
        yield event


async def _or_silence(frames: AsyncIterator[Frame]) -> AsyncIterator[Frame | None]:
    """The frames, and None each time that nothing has come for BEAT_SECONDS."""
    coming: asyncio.Future[Frame] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(frames))
            done, _ = await asyncio.wait({coming}, timeout=min(BEAT_SECONDS, LIFE_SECONDS))
            if not done:
                yield None
                continue
            try:
                frame = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield frame
    finally:
        if coming is not None:
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, LogGone):
                await coming


def _so_far(log: Log, start: int) -> Iterator[bytes]:
    """What there is now, and the end if it is there: for a server that holds no connection open."""
    text = Text(start)
    for piece in store.read(log, start):
        yield text.event(piece)
    yield text.event(b"", final=True)
    if log.closed_at is not None:
        yield _end(log.pk)


def _end(log_id: int) -> bytes:
    size = Log.objects.values_list("size", flat=True).get(pk=log_id)
    return _event("end", {"status": _status(log_id), "bytes": size}, size)


def _status(log_id: int) -> str:
    """Of what the log is of; a service's is that of its attempt."""
    paths = ((Attempt, "log", "status"), (HostDeploy, "log", "status"), (Deploy, "log", "status"))
    for model, path, column in (*paths, (Service, "log", "attempt__status")):
        found = model._default_manager.filter(**{path: log_id}).values_list(column, flat=True).first()
        if found is not None:
            return str(found)
    return ""


def _event(kind: str, data: object, at: int) -> bytes:
    return f"id: {at}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _last_event(request: HttpRequest, start: int) -> int:
    told = request.headers.get("Last-Event-ID", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= 16 else start


def _may_still(request: HttpRequest, person: Person, log_id: int) -> bool:
    project = project_of_log(log_id)
    if project is None:
        return False
    if isinstance(person, Bearer):
        token = tokens.good().select_related("person", "project").filter(pk=person.token.pk).first()
        return token is not None and access.may(Bearer(token), Act.VIEW, project)
    return access.may(person_of({"cookies": request.COOKIES}), Act.VIEW, project)
