"""The log socket: exact bytes, from any byte on, whatever happens in between."""

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import transaction

from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.projects.models import Member, Project
from pipelines.runs.models import Attempt
from server.live import consumers, tail
from tests.factories import make_person, make_project, make_run, print_steps, start_stage
from tests.lab.redis_server import OwnRedis
from tests.server.live.conftest import Browser
from tests.server.live.sockets import Communicator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def ada(project: Project) -> User:
    return make_person(project=project)


@pytest.fixture
def attempt(project: Project) -> Attempt:
    return start_stage(make_run(project))


@sync_to_async
def write(log: Log, data: bytes) -> None:
    with transaction.atomic():
        store.append(log, data, log.raw_size + len(data))


@sync_to_async
def close(log: Log) -> None:
    with transaction.atomic():
        store.close(log)


async def read_until(socket: Communicator, size: int, start: int = 0) -> bytes:
    """Frames up to byte `size`; each must stand exactly where the one before ended."""
    text = b""
    while start + len(text) < size:
        frame: Any = await socket.hear(timeout=10)
        if isinstance(frame, str):
            continue
        assert int.from_bytes(frame[:8]) == start + len(text)
        assert len(frame) <= 8 + tail.FRAME
        text += frame[8:]
    return text


async def read_to_end(socket: Communicator, start: int = 0) -> bytes:
    """All frames to the end of the log, and the end itself."""
    text = b""
    while True:
        frame: Any = await socket.hear(timeout=10)
        if isinstance(frame, str):
            told = json.loads(frame)
            if "closed" not in told:
                continue
            assert told == {"closed": True, "size": start + len(text), "steps": told["steps"]}
            assert await socket.close_code() == 1000
            return text
        assert int.from_bytes(frame[:8]) == start + len(text)
        text += frame[8:]


async def opened(browser: Browser, ada: User | None, log_id: int, start: int | str = 0) -> Communicator:
    socket = await sync_to_async(browser)(f"/ws/logs/{log_id}/?from={start}", ada)
    assert await socket.connect()
    return socket


async def test_what_was_written_before_and_what_is_written_after_arrive_as_one(
    browser: Browser, ada: User, attempt: Attempt
) -> None:
    await write(attempt.log, b"first\n")
    socket = await opened(browser, ada, attempt.log.pk)
    assert await read_until(socket, 6) == b"first\n"
    await write(attempt.log, b"second \xff\x00\xc3")
    await write(attempt.log, b"\xa4\n")
    await close(attempt.log)
    assert await read_to_end(socket, 6) == b"second \xff\x00\xc3\xa4\n"


async def test_a_hint_brings_new_bytes_long_before_the_next_poll(
    browser: Browser, ada: User, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "POLL_SECONDS", 60.0)
    socket = await opened(browser, ada, attempt.log.pk)
    await asyncio.sleep(0.5)
    for number in range(5):
        await write(attempt.log, b"%d\n" % number)
        frame = await socket.hear(timeout=3)
        assert frame[8:] == b"%d\n" % number
    await socket.leave()


@pytest.mark.parametrize("start", [0, 1, 65_535, 65_536, 299_999, 300_000])
async def test_a_log_is_replayed_from_any_byte(browser: Browser, ada: User, attempt: Attempt, start: int) -> None:
    text = bytes(i % 251 for i in range(300_000))
    for at in range(0, len(text), 37_000):
        await write(attempt.log, text[at : at + 37_000])
    await close(attempt.log)
    socket = await opened(browser, ada, attempt.log.pk, start)
    assert await read_to_end(socket, start) == text[start:]


async def test_an_archived_log_is_replayed_exactly(browser: Browser, ada: User, attempt: Attempt) -> None:
    text = b"".join(b"line %d\n" % i for i in range(400_000))
    await write(attempt.log, text)
    await close(attempt.log)
    log = await Log.objects.aget(pk=attempt.log.pk)
    await sync_to_async(store.archive)(log)
    socket = await opened(browser, ada, log.pk, 12_345)
    assert await read_to_end(socket, 12_345) == text[12_345:]
    await log.arefresh_from_db()
    await sync_to_async(default_storage.delete)(log.archive)


async def test_many_viewers_share_one_tail_and_a_slow_one_holds_nobody_up(
    browser: Browser, ada: User, attempt: Attempt
) -> None:
    text = bytes(i % 253 for i in range(3_000_000))
    sockets = [await opened(browser, ada, attempt.log.pk) for _ in range(5)]
    for at in range(0, len(text), 60_000):
        await write(attempt.log, text[at : at + 60_000])
    await close(attempt.log)
    quick = await asyncio.gather(*[read_to_end(socket) for socket in sockets[1:]])
    assert all(read == text for read in quick)
    assert await read_to_end(sockets[0]) == text


async def test_reconnecting_at_the_byte_after_the_last_neither_doubles_nor_drops(
    browser: Browser, ada: User, attempt: Attempt
) -> None:
    async def print_much() -> None:
        for number in range(200):
            await write(attempt.log, b"line %d\n" % number * 20)
            await asyncio.sleep(0.005)
        await close(attempt.log)

    printing = asyncio.create_task(print_much())
    got = b""
    for _ in range(4):
        socket = await opened(browser, ada, attempt.log.pk, len(got))
        got += await read_until(socket, len(got) + 1500, len(got))
        await socket.leave()
    socket = await opened(browser, ada, attempt.log.pk, len(got))
    got += await read_to_end(socket, len(got))
    await printing
    assert got == b"".join(b"line %d\n" % number * 20 for number in range(200))


async def test_who_is_far_behind_may_ask_to_be_told_instead_of_sent_everything(
    browser: Browser, ada: User, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SKIP_BYTES", 200_000)
    await write(attempt.log, b"x" * 500_000)
    socket = await opened(browser, ada, attempt.log.pk, "0&skip=1")
    told: Any = b""
    while not isinstance(told, str) or "skip" not in told:
        told = await socket.hear(timeout=10)
    assert json.loads(told) == {"skip": 500_000}
    assert await socket.close_code() == 1000
    assert len(await read_until(await opened(browser, ada, attempt.log.pk), 500_000)) == 500_000


async def test_without_redis_the_log_still_comes(
    browser: Browser, ada: User, attempt: Attempt, layer: OwnRedis
) -> None:
    layer.stop()
    socket = await opened(browser, ada, attempt.log.pk)
    await write(attempt.log, b"no bell\n")
    assert await read_until(socket, 8) == b"no bell\n"
    await close(attempt.log)
    assert await read_to_end(socket, 8) == b""


@pytest.mark.parametrize("start", ["-1", "abc", "", "1e3", "９"])
async def test_a_start_that_is_no_number_is_the_beginning(
    browser: Browser, ada: User, attempt: Attempt, start: str
) -> None:
    await write(attempt.log, b"text")
    await close(attempt.log)
    assert await read_to_end(await opened(browser, ada, attempt.log.pk, start)) == b"text"


async def test_nobody_reads_a_log_that_they_may_not_see(browser: Browser, attempt: Attempt, project: Project) -> None:
    stranger = await sync_to_async(make_person)(project=await sync_to_async(make_project)())
    for person, log_id in ((None, attempt.log.pk), (stranger, attempt.log.pk), (stranger, 999_999_999)):
        socket = await opened(browser, person, log_id)
        assert await socket.close_code() == 4404


@pytest.mark.parametrize("loss", ["membership", "session", "account"])
async def test_who_loses_access_loses_the_socket(
    browser: Browser, ada: User, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(consumers, "ACCESS_SECONDS", 0.3)
    socket = await opened(browser, ada, attempt.log.pk)
    await write(attempt.log, b"x")
    await read_until(socket, 1)
    if loss == "membership":
        await Member.objects.all().adelete()
    elif loss == "session":
        await Session.objects.all().adelete()
    else:
        await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
    assert await socket.close_code() == 4404


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9999", "null", "", "https://localhost"])
async def test_a_page_of_another_origin_opens_no_socket(
    browser: Browser, ada: User, attempt: Attempt, origin: str
) -> None:
    socket = await sync_to_async(browser)(f"/ws/logs/{attempt.log.pk}/", ada, origin)
    assert not await socket.connect()


async def test_an_unknown_path_is_closed_quietly(browser: Browser, ada: User) -> None:
    socket = await sync_to_async(browser)("/ws/nothing/here/", ada)
    await socket.connect()
    assert await socket.close_code() == 4404


async def test_steps_are_told_when_they_begin_and_when_they_end(browser: Browser, ada: User, attempt: Attempt) -> None:
    socket = await opened(browser, ada, attempt.log.pk)
    await sync_to_async(print_steps)(attempt, [b"one\n", b"two\n"], [0])
    told: list[dict[str, Any]] = []
    while [step["code"] for step in told] != [0, None]:
        frame = await socket.hear()
        told = json.loads(frame)["steps"] if isinstance(frame, str) else told
    assert [(step["name"], step["begins"], step["ends"]) for step in told] == [
        ("echo building", 0, 4),
        ("mkdir -p dist && date > dist/built", 4, None),
    ]
    await socket.leave()
