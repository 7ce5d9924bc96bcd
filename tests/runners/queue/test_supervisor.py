"""Processes that should be there are started again, at once or after a growing pause."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from runners.queue import supervisor
from runners.queue.supervisor import MAX_PAUSE_SECONDS, Child, NoRedis
from tests.lab.ground import free_port
from tests.lab.redis_server import OwnRedis
from tests.runners.queue.waiting import until


@pytest.fixture
def sleeper() -> Iterator[Child]:
    child = Child("sleeper", ["sleep", "600"])
    child.start()
    yield child
    _kill(child)


def _kill(child: Child) -> int:
    assert child.process is not None
    child.process.kill()
    child.process.wait()
    return child.process.pid


def _is_back(child: Child) -> bool:
    child.look_after()
    return child.process is not None and child.process.poll() is None


def test_what_lives_is_left_alone(sleeper: Child) -> None:
    assert sleeper.process is not None
    pid = sleeper.process.pid
    sleeper.look_after()
    assert sleeper.process.pid == pid


def test_what_had_lived_a_while_is_started_again_at_once(sleeper: Child) -> None:
    sleeper.started_at -= MAX_PAUSE_SECONDS + 1
    pid = _kill(sleeper)
    assert _is_back(sleeper)
    assert sleeper.process is not None
    assert sleeper.process.pid != pid


def test_what_dies_young_is_started_again_after_a_pause_that_grows_with_each_death(
    sleeper: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MAX_PAUSE_SECONDS", 600.0)  # young is who has not lived for so long
    pauses = []
    for _ in range(2):
        _kill(sleeper)
        killed_at = time.monotonic()
        assert until(lambda: _is_back(sleeper))
        assert time.monotonic() - killed_at >= sleeper.pause_seconds
        pauses.append(sleeper.pause_seconds)
    assert 0 < pauses[0] < pauses[1]


def test_the_pause_has_an_end(sleeper: Child) -> None:
    for _ in range(50):
        sleeper.started_at = time.monotonic()
        sleeper._note_end(1)
    assert sleeper.pause_seconds == MAX_PAUSE_SECONDS


def test_a_supervisor_told_to_stop_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.SLIPWAY_OWN_REDIS = False
    stop = threading.Event()
    monkeypatch.setattr(supervisor, "_commands", lambda: [("one", ["sleep", "61"]), ("two", ["sleep", "62"])])
    started: list[Child] = []
    start = Child.start

    def note(child: Child) -> None:
        start(child)
        started.append(child)

    monkeypatch.setattr(Child, "start", note)
    threading.Timer(0.5, stop.set).start()
    supervisor.run(stop)
    assert [child.name for child in started] == ["one", "two"]
    assert all(child.process is not None and child.process.poll() is not None for child in started)


def test_web_comes_up_before_the_others_begin(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(supervisor, "WEB_SECONDS", 120.0)
    settings.SLIPWAY_OWN_REDIS, settings.SLIPWAY_PORT = False, free_port()
    web = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(settings.SLIPWAY_PORT)]
    monkeypatch.setattr(supervisor, "_commands", lambda: [("web", web), ("worker", ["sleep", "63"])])
    stop, start = threading.Event(), Child.start
    answered: list[bool] = []

    def note(child: Child) -> None:
        if child.name == "worker":
            answered.append(_listens(settings.SLIPWAY_PORT))
            stop.set()
        start(child)

    monkeypatch.setattr(Child, "start", note)
    supervisor.run(stop)
    assert answered == [True]


def test_a_web_that_ends_at_once_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(supervisor, "WEB_SECONDS", 120.0)
    settings.SLIPWAY_PORT = free_port()
    web = Child("web", ["false"])
    web.start()
    began_at = time.monotonic()
    supervisor._wait_for_web(web, threading.Event())
    assert time.monotonic() - began_at < supervisor.WEB_SECONDS


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_a_socket_that_a_killed_redis_left_is_not_taken_for_a_redis(own_redis: OwnRedis) -> None:
    own_redis.stop()
    assert own_redis.socket.exists()
    dead = Child("redis", ["false"])
    dead.start()
    assert dead.process is not None
    dead.process.wait()
    with pytest.raises(NoRedis, match="ended at once"):
        supervisor._wait_for_redis(dead, threading.Event())


def test_a_redis_in_a_directory_that_others_made_or_reach_is_not_trusted(settings: Settings, tmp_path: Path) -> None:
    settings.SLIPWAY_OWN_REDIS = True
    settings.STATE_DIR = tmp_path / "state"
    open_to_others = tmp_path / "short"
    open_to_others.mkdir()
    open_to_others.chmod(0o777)
    settings.SLIPWAY_REDIS_URL = f"unix://{open_to_others / 'redis.sock'}"
    with pytest.raises(NoRedis, match="not a directory of this user alone"):
        supervisor._own_redis()
    open_to_others.chmod(0o700)
    assert "--unixsocket" in supervisor._own_redis()
