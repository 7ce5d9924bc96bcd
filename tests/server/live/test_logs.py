"""Logs over the page's socket: exact bytes, from any byte on, whatever happens in between."""

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
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt
from pipelines.states.status import Status
from server.live import consumers, page, tail
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


async def piece(socket: Communicator, log_id: int) -> tuple[int, bytes] | dict[str, Any]:
    """What comes next of a log: where it stands and the bytes, or what is told of it. What is sent is acknowledged."""
    while True:
        heard: Any = await socket.hear()
        if isinstance(heard, str):
            told: dict[str, Any] = json.loads(heard)
            if told.get("log") == log_id:
                return told
        elif int.from_bytes(heard[:8]) == log_id:
            assert len(heard) <= 16 + tail.FRAME
            at, data = int.from_bytes(heard[8:16]), heard[16:]
            await say(socket, log=log_id, had=at + len(data))
            return at, data


async def read_until(socket: Communicator, log: Log, size: int, start: int = 0) -> bytes:
    """Bytes up to byte `size`; each frame must stand exactly where the one before ended."""
    text = b""
    while start + len(text) < size:
        heard = await piece(socket, log.pk)
        if isinstance(heard, tuple):
            assert heard[0] == start + len(text)
            text += heard[1]
    return text


async def read_to_end(socket: Communicator, log: Log, start: int = 0) -> bytes:
    """All bytes to the end of the log, and the end itself."""
    text = b""
    while True:
        heard = await piece(socket, log.pk)
        if isinstance(heard, tuple):
            assert heard[0] == start + len(text)
            text += heard[1]
        elif "closed" in heard:
            size = start + len(text)
            assert heard == {"log": log.pk, "closed": True, "size": size, "steps": heard["steps"]}
            return text


async def say(socket: Communicator, **asked: object) -> None:
    await socket.say(json.dumps(asked))


async def opened(browser: Browser, ada: User | None, log: Log | None = None, start: int = 0) -> Communicator:
    socket = await sync_to_async(browser)("/ws/live/", ada)
    assert await socket.connect()
    if log is not None:
        await say(socket, log=log.pk, **{"from": start})
    return socket


async def test_what_was_written_before_and_what_is_written_after_arrive_as_one(
    browser: Browser, ada: User, attempt: Attempt
) -> None:
    await write(attempt.log, b"first\n")
    socket = await opened(browser, ada, attempt.log)
    assert await read_until(socket, attempt.log, 6) == b"first\n"
    await write(attempt.log, b"second \xff\x00\xc3")
    await write(attempt.log, b"\xa4\n")
    await close(attempt.log)
    assert await read_to_end(socket, attempt.log, 6) == b"second \xff\x00\xc3\xa4\n"
    await socket.leave()


async def test_a_hint_brings_new_bytes_long_before_the_next_poll(
    browser: Browser, ada: User, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "POLL_SECONDS", 60.0)
    socket = await opened(browser, ada, attempt.log)
    await asyncio.sleep(0.5)
    for number in range(5):
        await write(attempt.log, b"%d\n" % number)
        assert await read_until(socket, attempt.log, 2 * number + 2, 2 * number) == b"%d\n" % number
    await socket.leave()


@pytest.mark.parametrize("start", [0, 1, 65_535, 65_536, 299_999, 300_000])
async def test_a_log_is_replayed_from_any_byte(browser: Browser, ada: User, attempt: Attempt, start: int) -> None:
    text = bytes(i % 251 for i in range(300_000))
    for at in range(0, len(text), 37_000):
        await write(attempt.log, text[at : at + 37_000])
    await close(attempt.log)
    socket = await opened(browser, ada, attempt.log, start)
    assert await read_to_end(socket, attempt.log, start) == text[start:]
    await socket.leave()


async def test_an_archived_log_is_replayed_exactly(browser: Browser, ada: User, attempt: Attempt) -> None:
    text = b"".join(b"line %d\n" % i for i in range(400_000))
    await write(attempt.log, text)
    await close(attempt.log)
    log = await Log.objects.aget(pk=attempt.log.pk)
    await sync_to_async(store.archive)(log)
    socket = await opened(browser, ada, log, 12_345)
    assert await read_to_end(socket, log, 12_345) == text[12_345:]
    await socket.leave()
    await log.arefresh_from_db()
    await sync_to_async(default_storage.delete)(log.archive)


async def test_many_viewers_share_one_tail_and_a_slow_one_holds_nobody_up(
    browser: Browser, ada: User, attempt: Attempt
) -> None:
    text = bytes(i % 253 for i in range(3_000_000))
    sockets = [await opened(browser, ada, attempt.log) for _ in range(5)]
    for at in range(0, len(text), 60_000):
        await write(attempt.log, text[at : at + 60_000])
    await close(attempt.log)
    quick = await asyncio.gather(*[read_to_end(socket, attempt.log) for socket in sockets[1:]])
    assert all(read == text for read in quick)
    assert await read_to_end(sockets[0], attempt.log) == text
    for socket in sockets:
        await socket.leave()


async def test_a_reader_that_says_nothing_gets_no_more_than_is_under_way_and_hints_come_nevertheless(
    browser: Browser, ada: User, attempt: Attempt
) -> None:
    run = attempt.stage.run
    await write(attempt.log, b"x" * 3_000_000)
    socket = await opened(browser, ada)
    await say(socket, watch=[f"run:{run.pk}"])
    await say(socket, log=attempt.log.pk, **{"from": 0})
    got = 0
    while got < page.WINDOW:
        frame = await socket.hear()
        got += len(frame) - 16 if isinstance(frame, bytes) else 0
    assert got < page.WINDOW + tail.FRAME
    await sync_to_async(lifecycle.finish_attempt)(attempt, Status.SUCCEEDED, exit_code=0)
    told: Any = ""
    while '"subject"' not in told:
        told = await socket.hear()
        assert isinstance(told, str), "no more of the log before it is asked for"
    assert json.loads(told) == {"subject": "run", "id": run.pk}
    await say(socket, log=attempt.log.pk, had=got)
    assert len(await read_to_end(socket, attempt.log, got)) == 3_000_000 - got
    await socket.leave()


async def test_several_logs_come_over_one_socket_until_they_are_left(
    browser: Browser, ada: User, attempt: Attempt, project: Project
) -> None:
    other = await sync_to_async(lambda: start_stage(make_run(project)))()
    for one in (attempt, other):
        await write(one.log, b"of %d\n" % one.pk)
    socket = await opened(browser, ada, attempt.log)
    assert await read_until(socket, attempt.log, 3) == b"of %d\n" % attempt.pk
    await say(socket, log=other.log.pk, **{"from": 3})
    assert await read_until(socket, other.log, 4, 3) == b"%d\n" % other.pk
    await say(socket, leave=attempt.log.pk)
    await say(socket, watch=[])
    assert json.loads(await socket.hear()) == {"watching": []}
    await write(attempt.log, b"for nobody\n")
    await write(other.log, b"more\n")
    frame: Any = await socket.hear()
    assert (int.from_bytes(frame[:8]), frame[16:]) == (other.log.pk, b"more\n")
    assert await socket.is_silent(0.3)
    await socket.leave()


async def test_a_page_that_follows_too_many_logs_is_sent_away(
    browser: Browser, ada: User, attempt: Attempt, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_LOGS", 1)
    other = await sync_to_async(lambda: start_stage(make_run(project)))()
    await write(attempt.log, b"x")
    socket = await opened(browser, ada, attempt.log)
    assert await read_until(socket, attempt.log, 1) == b"x"
    await say(socket, log=other.log.pk, **{"from": 0})
    assert await socket.close_code() == 1008
    await socket.leave()


async def test_who_asks_again_gets_it_from_there_alone(browser: Browser, ada: User, attempt: Attempt) -> None:
    await write(attempt.log, b"0123456789")
    socket = await opened(browser, ada, attempt.log)
    assert await read_until(socket, attempt.log, 10) == b"0123456789"
    await say(socket, log=attempt.log.pk, **{"from": 5})
    assert await read_until(socket, attempt.log, 10, 5) == b"56789"
    await write(attempt.log, b"A")
    assert await read_until(socket, attempt.log, 11, 10) == b"A"
    assert await socket.is_silent(0.3)
    await socket.leave()


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
        socket = await opened(browser, ada, attempt.log, len(got))
        got += await read_until(socket, attempt.log, len(got) + 1500, len(got))
        await socket.leave()
    socket = await opened(browser, ada, attempt.log, len(got))
    got += await read_to_end(socket, attempt.log, len(got))
    await printing
    await socket.leave()
    assert got == b"".join(b"line %d\n" % number * 20 for number in range(200))


async def test_who_is_far_behind_may_ask_to_be_told_instead_of_sent_everything(
    browser: Browser, ada: User, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SKIP_BYTES", 200_000)
    await write(attempt.log, b"x" * 500_000)
    socket = await opened(browser, ada)
    await say(socket, log=attempt.log.pk, skip=True, **{"from": 0})
    heard: Any = ()
    while not isinstance(heard, dict) or "skip" not in heard:
        heard = await piece(socket, attempt.log.pk)
    assert heard == {"log": attempt.log.pk, "skip": 500_000}
    assert await socket.is_silent(0.3)
    await say(socket, log=attempt.log.pk, **{"from": 0})
    assert len(await read_until(socket, attempt.log, 500_000)) == 500_000
    await socket.leave()


async def test_without_redis_the_log_still_comes(
    browser: Browser, ada: User, attempt: Attempt, layer: OwnRedis
) -> None:
    layer.stop()
    socket = await opened(browser, ada, attempt.log)
    await write(attempt.log, b"no bell\n")
    assert await read_until(socket, attempt.log, 8) == b"no bell\n"
    await close(attempt.log)
    assert await read_to_end(socket, attempt.log, 8) == b""
    await socket.leave()


async def test_nobody_reads_a_log_that_they_may_not_see(browser: Browser, attempt: Attempt, project: Project) -> None:
    stranger = await sync_to_async(make_person)(project=await sync_to_async(make_project)())
    socket = await opened(browser, stranger)
    for log_id in (attempt.log.pk, 999_999_999):
        await say(socket, log=log_id, **{"from": 0})
        assert await piece(socket, log_id) == {"log": log_id, "gone": True}
    await write(attempt.log, b"not for strangers")
    assert await socket.is_silent(0.3)
    await socket.leave()
    nobody = await opened(browser, None, attempt.log)
    assert json.loads(await nobody.hear()) == {"beat": True}
    assert await nobody.close_code() == 4404
    await nobody.leave()


@pytest.mark.parametrize("loss", ["membership", "session", "account"])
async def test_who_loses_access_loses_the_log(
    browser: Browser, ada: User, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(consumers, "ACCESS_SECONDS", 0.3)
    socket = await opened(browser, ada, attempt.log)
    await write(attempt.log, b"x")
    await read_until(socket, attempt.log, 1)
    if loss == "membership":
        await Member.objects.all().adelete()
        assert await piece(socket, attempt.log.pk) == {"log": attempt.log.pk, "gone": True}
        await write(attempt.log, b"y")
        assert await socket.is_silent(0.3)
    elif loss == "session":
        await Session.objects.all().adelete()
        assert await socket.close_code() == 4404
    else:
        await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
        assert await socket.close_code() == 4404
    await socket.leave()


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9999", "null", "", "https://localhost"])
async def test_a_page_of_another_origin_opens_no_socket(browser: Browser, ada: User, origin: str) -> None:
    socket = await sync_to_async(browser)("/ws/live/", ada, origin)
    assert not await socket.connect()


async def test_an_unknown_path_is_closed_quietly(browser: Browser, ada: User) -> None:
    socket = await sync_to_async(browser)("/ws/nothing/here/", ada)
    await socket.connect()
    assert await socket.close_code() == 4404


async def test_steps_are_told_when_they_begin_and_when_they_end(browser: Browser, ada: User, attempt: Attempt) -> None:
    socket = await opened(browser, ada, attempt.log)
    await sync_to_async(print_steps)(attempt, [b"one\n", b"two\n"], [0])
    told: list[dict[str, Any]] = []
    while [step["code"] for step in told] != [0, None]:
        heard = await piece(socket, attempt.log.pk)
        told = heard["steps"] if isinstance(heard, dict) else told
    assert [(step["name"], step["begins"], step["ends"]) for step in told] == [
        ("echo building", 0, 4),
        ("mkdir -p dist && date > dist/built", 4, None),
    ]
    await socket.leave()
