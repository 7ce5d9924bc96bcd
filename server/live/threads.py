"""Database work of the sockets: in few threads, each with a connection that it keeps for a while."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")
KEPT_SECONDS = 30.0  # to open one takes as long as ten queries; no transaction is ever open between two calls
_threads = ThreadPoolExecutor(4, thread_name_prefix="live")
_own = threading.local()


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """The result of `work(*arguments)`, which may use the database."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _run, work, arguments)


def _run(work: Callable[..., T], arguments: tuple[object, ...]) -> T:
    """After an error a new connection is made: the old one may be the reason."""
    if time.monotonic() - getattr(_own, "since", 0.0) > KEPT_SECONDS:
        connections.close_all()
        _own.since = time.monotonic()
    try:
        return work(*arguments)
    except BaseException:
        connections.close_all()
        raise
