"""Which threads answer pages."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from django.db import connections
from django.http import HttpRequest, HttpResponse

from server import handler
from server.handler import Handler

Answers = Callable[[HttpRequest], HttpResponse]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Handler:
    """With threads of its own; tests say by `_middleware_chain` what is answered."""
    monkeypatch.setattr(handler, "_waiting", [])
    return Handler()


@pytest.fixture
async def client(pages: Handler) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=pages)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


def says_its_thread(_: HttpRequest) -> HttpResponse:
    return HttpResponse(str(threading.get_ident()))


async def until_threads_wait(count: int) -> None:
    while len(handler._waiting) < count:
        await asyncio.sleep(0.001)


async def test_one_request_after_the_other_finds_the_same_thread(pages: Any, client: httpx2.AsyncClient) -> None:
    pages._middleware_chain = says_its_thread
    threads = set()
    for _ in range(5):
        threads.add((await client.get("/")).text)
        await until_threads_wait(1)
    assert len(threads) == 1


async def test_requests_at_once_do_not_wait_for_each_other(
    pages: Any, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(5)

    def meets_the_others(request: HttpRequest) -> HttpResponse:
        together.wait(60)
        return says_its_thread(request)

    monkeypatch.setattr(handler, "KEPT", 3)
    pages._middleware_chain = meets_the_others
    answers = await asyncio.gather(*[client.get("/") for _ in range(5)])
    assert len({answer.text for answer in answers}) == 5
    await until_threads_wait(3)


async def test_a_thread_that_works_for_somebody_who_went_away_is_nobody_else_s(
    pages: Any, client: httpx2.AsyncClient
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def takes_long(request: HttpRequest) -> HttpResponse:
        begun.set()
        goes_on.wait(60)
        return says_its_thread(request)

    pages._middleware_chain = takes_long
    gone = asyncio.create_task(pages(_SCOPE, _goes_away_after(begun), _hears_nothing))
    await asyncio.to_thread(begun.wait, 60)
    pages._middleware_chain = says_its_thread
    assert (await client.get("/")).status_code == 200
    goes_on.set()
    await gone
    await until_threads_wait(2)


_SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}


def _goes_away_after(begun: threading.Event) -> Callable[[], Any]:
    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, str]:
        message = next(messages)
        if message["type"] == "http.disconnect":
            await asyncio.to_thread(begun.wait, 60)
        return message

    return receive


async def _hears_nothing(_: object) -> None: ...


def says_how_long_connections_are_kept(_: HttpRequest) -> HttpResponse:
    return HttpResponse({str(each.settings_dict["CONN_MAX_AGE"]) for each in connections.all()})


async def test_these_threads_keep_their_connections_and_no_others_do(pages: Any, client: httpx2.AsyncClient) -> None:
    pages._middleware_chain = says_how_long_connections_are_kept
    assert (await client.get("/")).text == str(handler.KEPT_SECONDS)
    assert says_how_long_connections_are_kept(HttpRequest()).content == b"0"
    await until_threads_wait(1)
