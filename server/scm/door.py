"""The webhook's own entrance, before Django's handler: no middleware, one thread that writes in batches.

Through Django's handler every request has a new thread and a new database connection, and on SQLite writers that meet
wait for each other in sleeps: measured, 100 deliveries a second with a p99 of 2 s, where this takes over 300 in 0.1 s.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections, connections

from pipelines.states.leases import DATABASE_AWAY
from server.scm.deliveries import MAX_BODY, TOO_LARGE, UNSTORED, WRONG_METHOD, Answer, Delivery, take
from server.scopes import header

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PREFIX = "/hooks/github/"
BODY_SECONDS = 30  # a sender that takes longer is let go
_BATCH = 32  # deliveries written in one transaction, at most
_HELD = 4 * MAX_BODY  # bytes of bodies in memory, at most

_TOO_SLOW = Answer(408, {"error": f"The body did not arrive within {BODY_SECONDS} s."})
_TOO_BUSY = Answer(503, {"error": "Too much is being received at once: send it again."})

log = logging.getLogger(__name__)


class _Refused(Exception):
    """The body is not taken; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class WebhookDoor:
    """An ASGI application for `PREFIX` + project; one per process, used by one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._waiting: deque[tuple[Delivery, asyncio.Future[Answer]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._held = 0  # bytes of bodies in memory

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = bytearray()
        try:
            await _send(send, await self._answer(scope, receive, body))
        finally:
            self._held -= len(body)

    async def close(self) -> None:
        """Let the thread and its database connection go."""
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown()

    async def _answer(self, scope: Message, receive: Receive, body: bytearray) -> Answer:
        if scope["method"] != "POST":
            return WRONG_METHOD
        if int(header(scope, b"content-length") or 0) > MAX_BODY:
            return TOO_LARGE
        try:
            async with asyncio.timeout(BODY_SECONDS):
                await self._read(receive, body)
        except TimeoutError:
            return _TOO_SLOW
        except _Refused as refused:
            return refused.answer
        return await self._stored(_delivery(scope, bytes(body)))

    async def _read(self, receive: Receive, body: bytearray) -> None:
        more = True
        while more:
            message = await receive()
            piece = message.get("body", b"")
            body += piece
            self._held += len(piece)
            if len(body) > MAX_BODY:
                raise _Refused(TOO_LARGE)
            if self._held > _HELD:
                raise _Refused(_TOO_BUSY)
            more = message.get("more_body", False)

    async def _stored(self, delivery: Delivery) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, answer))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        """Until none waits: what has come in while the last batch was written is the next."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            given = [delivery for delivery, _ in batch]
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, _take, given)
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)


def _take(deliveries: list[Delivery]) -> list[Answer]:
    """In the writing thread. Whatever goes wrong, every sender gets an answer.

    What breaks for one delivery breaks for that one alone: a stranger must not be able to spoil the batch of others.
    """
    try:
        close_old_connections()
        return take(deliveries)
    except DATABASE_AWAY:  # for all of them
        log.exception("%d deliveries could not be stored", len(deliveries))
        return [UNSTORED] * len(deliveries)
    except Exception:
        if len(deliveries) > 1:
            return [answer for delivery in deliveries for answer in _take([delivery])]
        log.exception("a delivery could not be stored")
        return [UNSTORED]


def _delivery(scope: Message, body: bytes) -> Delivery:
    return Delivery(
        project=scope["path"].removeprefix(PREFIX),
        event=header(scope, b"x-github-event"),
        id=header(scope, b"x-github-delivery"),
        signature=header(scope, b"x-hub-signature-256"),
        content_type=header(scope, b"content-type"),
        body=body,
    )


async def _send(send: Send, answer: Answer) -> None:
    body = json.dumps(answer.value).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if answer.status == WRONG_METHOD.status:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
