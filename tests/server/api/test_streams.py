"""Logs as server-sent events: every byte once, from any byte on, to the end."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.test import AsyncClient

from pipelines.logs import store
from pipelines.people import tokens
from pipelines.people.models import Token
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt
from pipelines.states.status import Status
from server.api import streams
from server.live import tail
from tests.factories import make_person, make_project, make_run, start_stage
from tests.server.api.stand import token_of

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Event:
    kind: str
    at: int
    data: dict[str, Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "POLL_SECONDS", 0.05)


@pytest.fixture
def attempt() -> Attempt:
    return start_stage(make_run(make_project()))


@pytest.fixture
def caller(attempt: Attempt) -> AsyncClient:
    return _caller(attempt)


async def test_what_is_printed_comes_as_it_is_printed_and_the_end_says_how_it_ended(
    attempt: Attempt, caller: AsyncClient
) -> None:
    await write(attempt, b"one\n")
    events = told(await open_stream(caller, attempt))
    assert await anext(events) == Event("output", 4, {"text": "one\n"})
    await write(attempt, b"two\n")
    assert await anext(events) == Event("output", 8, {"text": "two\n"})
    await finish(attempt)
    assert await anext(events) == Event("end", 8, {"status": "failed", "bytes": 8})
    assert [event async for event in events] == []
    await nobody_listens()


async def test_who_comes_again_gets_what_came_meanwhile_and_nothing_twice(
    attempt: Attempt, caller: AsyncClient
) -> None:
    await write(attempt, b"one\ntwo\n")
    await finish(attempt)
    events = told(await open_stream(caller, attempt, headers={"last-event-id": "4"}))
    assert [event.data async for event in events] == [{"text": "two\n"}, {"status": "failed", "bytes": 8}]
    events = told(await open_stream(caller, attempt, "?start=8"))
    assert [event.kind async for event in events] == ["end"]


async def test_a_letter_that_is_printed_in_two_pieces_comes_whole(attempt: Attempt, caller: AsyncClient) -> None:
    first, rest = "é\n".encode()[:1], "é\n".encode()[1:]
    await write(attempt, b"a" + first)
    events = told(await open_stream(caller, attempt))
    assert await anext(events) == Event("output", 1, {"text": "a"})  # coming again from here misses nothing
    await write(attempt, rest)
    assert await anext(events) == Event("output", 4, {"text": "é\n"})
    await events.aclose()  # type: ignore[attr-defined]  # a generator


async def test_silence_is_told_so_that_nobody_between_ends_it(
    attempt: Attempt, caller: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.05)
    stream = await open_stream(caller, attempt)
    assert await anext(stream) == b": still here\n\n"
    await stream.aclose()  # type: ignore[attr-defined]  # a generator


async def test_a_stream_ends_with_the_right_to_read(
    attempt: Attempt, caller: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(streams, "ACCESS_SECONDS", 0.05)
    stream = await open_stream(caller, attempt)
    assert await anext(stream) == b": still here\n\n"
    await revoke_all()
    async with asyncio.timeout(60):
        assert {piece async for piece in stream} <= {b": still here\n\n"}


async def test_one_caller_has_so_many_streams_and_no_more(
    attempt: Attempt, caller: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    await write(attempt, b"one\n")
    stream = await open_stream(caller, attempt)
    await anext(stream)
    refused = await caller.get(path(attempt))
    assert (refused.status_code, refused["Retry-After"]) == (429, "15")
    other = await sync_to_async(_caller)(attempt)
    beside = await open_stream(other, attempt)
    assert (await anext(beside)).startswith(b"id: 4\n")
    for one in (stream, beside):
        await one.aclose()  # type: ignore[attr-defined]  # a generator
    await nobody_listens()


async def nobody_listens() -> None:
    """The test's client keeps answers in a circle; a server lets go of them, and cancels whoever has gone."""
    async with asyncio.timeout(60):
        while streams._open:
            gc.collect()
            await asyncio.sleep(0.01)


def _caller(attempt: Attempt) -> AsyncClient:
    """Of a new person."""
    text = token_of(make_person(project=attempt.stage.run.project))
    return AsyncClient(authorization=f"Bearer {text}")


def path(attempt: Attempt) -> str:
    return f"/api/v1/logs/{attempt.log_id}/events"


async def open_stream(
    caller: AsyncClient, attempt: Attempt, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[bytes]:
    answer = await caller.get(path(attempt) + query, headers=headers)
    assert answer["Content-Type"] == "text/event-stream"
    pieces: AsyncIterator[bytes] = answer.streaming_content  # type: ignore[attr-defined]
    return pieces


async def told(pieces: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events, without the comments between them."""
    async for piece in pieces:
        if not piece.startswith(b":"):
            fields = dict(line.split(": ", 1) for line in piece.decode().strip().split("\n"))
            yield Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))


@sync_to_async
def write(attempt: Attempt, data: bytes) -> None:
    with transaction.atomic():
        store.append(attempt.log, data, attempt.log.raw_size + len(data))


@sync_to_async
def revoke_all() -> None:
    for token in Token.objects.all():
        tokens.revoke(token, by="test")


@sync_to_async
def finish(attempt: Attempt) -> None:
    lifecycle.finish_attempt(attempt, Status.FAILED, exit_code=1)
