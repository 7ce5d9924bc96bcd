"""Hints from the channel layer, received once for all sockets of this process."""

import asyncio
import contextlib
import logging
import time
import weakref
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer

from server.live.publish import GROUP

PAUSE_SECONDS = 1.0  # between tries to reach the layer
QUIET_SECONDS = 7.0  # after so long without a hint it is asked whether the layer is still there
ANSWER_SECONDS = 2.0
LOOK_SECONDS = 5.0  # while it is out of reach, whoever listens is told to look this often

logger = logging.getLogger(__name__)
Listener = Callable[[], None]


class Hub:
    """Calls who listens to a name (`run:12`, `log:7`) in the event loop when it has changed, or may have: in an outage.

    Sockets have no channels of their own, so they outlive a Redis that is stopped or frozen.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}
        self._task: asyncio.Task[None] | None = None
        self._called_all_at = 0.0

    def listen(self, name: str, listener: Listener) -> None:
        self._listeners.setdefault(name, set()).add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, name: str, listener: Listener) -> None:
        """Leaving twice is harmless. When nobody is left, the hub rests."""
        listeners = self._listeners.get(name, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(name, None)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._receive()
            except Exception as error:
                logger.info("no hints for now, sockets look by themselves: %r", error)
                await asyncio.sleep(PAUSE_SECONDS)
                if time.monotonic() - self._called_all_at >= LOOK_SECONDS:
                    self._call_all()

    async def _receive(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel("live")
        await _join(layer, channel)
        try:
            self._call_all()  # whatever changed while nobody received
            while True:
                await self._hear(layer, channel)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(layer.group_discard(GROUP, channel), PAUSE_SECONDS)

    async def _hear(self, layer: Any, channel: str) -> None:
        """One hint, or a silence, in which it is seen whether the layer still answers and has us in its group."""
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                hint: dict[str, Any] = await layer.receive(channel)
        except TimeoutError:
            await _join(layer, channel)
        else:
            self._call(hint["changed"])

    def _call_all(self) -> None:
        self._called_all_at = time.monotonic()
        self._call(list(self._listeners))

    def _call(self, names: list[str]) -> None:
        for name in names:
            for listener in list(self._listeners.get(name, ())):
                listener()


async def _join(layer: Any, channel: str) -> None:
    """Raises TimeoutError when the layer hangs. Joining again prolongs the membership, which lasts a day."""
    async with asyncio.timeout(ANSWER_SECONDS):
        await layer.group_add(GROUP, channel)


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
