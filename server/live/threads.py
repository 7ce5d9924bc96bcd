"""Database work of the sockets: in few threads, and no connection held between two calls."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")
_threads = ThreadPoolExecutor(4, thread_name_prefix="live")


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """The result of `work(*arguments)`, which may use the database."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _run, work, arguments)


def _run(work: Callable[..., T], arguments: tuple[object, ...]) -> T:
    try:
        return work(*arguments)
    finally:
        connections.close_all()
