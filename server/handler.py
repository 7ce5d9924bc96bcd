"""Django's handler for pages: a request is one piece of work for one thread, which the next request finds warm.

Django's own starts a thread, and so opens a database connection, for every request, and goes to and fro between it and
the event loop for every middleware.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

KEPT = 8  # threads that wait, each with a connection; more are made while more requests come at once
KEPT_SECONDS = 30  # a connection: to open one takes as long as ten queries
_waiting: list[ThreadPoolExecutor] = []  # of one thread each; the one that was used last is taken first


class Handler(ASGIHandler):
    """An ASGI application. All middleware are called as plain functions, in the thread of the view."""

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with _thread() as thread:
            async with ThreadSensitiveContext(executor=thread):
                await self.handle(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    thread = _waiting.pop() if _waiting else ThreadPoolExecutor(1, "page", _keep_connections)
    try:
        yield thread
    finally:
        # It comes back by itself: what it does for somebody who went away, it does to the end.
        thread.submit(_come_back, thread)


def _keep_connections() -> None:
    """In these threads alone: all others let go of the database after each piece of work."""
    for connection in connections.all():
        connection.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": KEPT_SECONDS}


def _come_back(thread: ThreadPoolExecutor) -> None:
    if len(_waiting) < KEPT:
        _waiting.append(thread)
        return
    connections.close_all()
    thread.shutdown(wait=False)
