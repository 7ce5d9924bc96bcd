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
        await layer.group_add(GROUP, channel)
        try:
            self._call_all()  # whatever changed while nobody received
            while True:
                hint: dict[str, Any] = await layer.receive(channel)
                self._call(hint["changed"])
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(layer.group_discard(GROUP, channel), PAUSE_SECONDS)

    def _call_all(self) -> None:
        self._called_all_at = time.monotonic()
        self._call(list(self._listeners))

    def _call(self, names: list[str]) -> None:
        for name in names:
            for listener in list(self._listeners.get(name, ())):
                listener()


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
