"""What all sockets have in common."""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Coroutine
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from server.live.entry import ACCESS_SECONDS, NOT_FOUND

BEAT_SECONDS = 10.0  # a connection that died without a word is noticed by its silence

logger = logging.getLogger(__name__)


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """A socket that works in tasks of its own, which end with it."""

    # No channel of its own: a socket must outlive Redis. Hints come through the hub.
    channel_layer_alias = "none"

    async def connect(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        await self.accept()
        await self.begin()

    async def begin(self) -> None:
        """Start what this socket does."""
        raise NotImplementedError

    def work(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guard(doing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def tell(self, **told: object) -> None:
        if not self._is_closed:
            await self.send(text_data=json.dumps(told))

    async def beat(self) -> None:
        """Say every BEAT_SECONDS that the connection is there."""
        while True:
            await self.tell(beat=True)
            await asyncio.sleep(BEAT_SECONDS)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """After it nothing may be sent: whatever else this socket does ends first. Closing twice is harmless."""
        if self._is_closed:
            return
        self._is_closed = True
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await super().close(code, reason)

    async def disconnect(self, code: int) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a browser says means nothing here, unless a kind of socket knows better."""

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """What came before the browser knew that we have closed is dropped."""
        if not self._is_closed:
            await super().websocket_receive(message)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without a look at this thread's database connections: there are none, the work is done in others."""
        await getattr(self, message["type"].replace(".", "_"))(message)

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


class NoSocket(Socket):
    """Any other path."""

    async def begin(self) -> None:
        await self.close(code=NOT_FOUND)


def access_seconds() -> float:
    """Sockets that came together are not asked together."""
    return ACCESS_SECONDS * random.uniform(0.5, 1)  # noqa: S311  no secret
