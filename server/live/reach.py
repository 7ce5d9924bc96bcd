"""Whether the channel layer's Redis answers."""

import asyncio
import contextlib
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import channel_layers

_CLOSE_SECONDS = 1.0


def answers(seconds: float) -> str:
    """Empty when it does; else why not. Takes little longer than `seconds`."""
    try:
        async_to_sync(partial(_ping, seconds))()
    except Exception as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ""


async def _ping(seconds: float) -> None:
    """On a layer, and so a connection, of its own: closing one of the process's would cut its sockets off."""
    layer: Any = channel_layers.make_backend("default")
    try:
        async with asyncio.timeout(seconds):
            await layer.connection(0).ping()
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await layer.close_pools()
