"""Real worker processes that drain: they finish what they do, take nothing new, and end if they are asked to."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

from runners.queue.queues import Line, enqueue
from runners.queue.worker import DRAINED
from tests.architecture.sources import ROOT
from tests.lab.redis_server import OwnRedis
from tests.runners.queue import errands
from tests.runners.queue.waiting import until, waiting


class Machine:
    """A database, and workers on it."""

    def __init__(self, state: Path, url: str) -> None:
        self.state = state
        self._environ = {**os.environ, "SLIPWAY_STATE_DIR": str(self.state), "SLIPWAY_REDIS_URL": url}
        self._environ["DJANGO_SETTINGS_MODULE"] = "server.settings"
        self.started: list[subprocess.Popen[bytes]] = []

    def manage(self, *arguments: str) -> str:
        command = [*_manage(), *arguments]
        return subprocess.run(command, env=self._environ, check=True, capture_output=True, text=True).stdout

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        self.started.append(subprocess.Popen([*_manage(), "worker", "control", *options], env=self._environ))
        return self.started[-1]

    def runners(self) -> list[str]:
        """The names of those on the roster."""
        with contextlib.closing(sqlite3.connect(self.state / "slipway.sqlite3", timeout=60)) as database:
            return [str(name) for (name,) in database.execute("SELECT name FROM roster_runner ORDER BY name")]

    def noted(self, text: str, seconds: float = 60) -> bool:
        return until((self.state / "notes" / text).exists, seconds)

    def let_go_of(self, number: int) -> None:
        (self.state / "notes" / f"let go of {number}").touch()

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def migrated() -> Iterator[Path]:
    """A state directory with a database in which nothing is."""
    state = Path(tempfile.mkdtemp(prefix="slipway-draining-"))
    (state / "notes").mkdir()
    Machine(state, "unix:///nowhere").manage("migrate", "-v0")
    yield state
    shutil.rmtree(state)


@pytest.fixture
def machine(migrated: Path, own_redis: OwnRedis, tmp_path: Path) -> Iterator[Machine]:
    state = shutil.copytree(migrated, tmp_path / "state")
    machine = Machine(state, own_redis.url)
    yield machine
    machine.end()


def test_a_drained_runner_finishes_what_it_does_takes_nothing_new_and_works_again_when_it_is_let(
    machine: Machine, connection: redis.Redis
) -> None:
    worker = machine.start("--labels", "gpu,big")
    enqueue(connection, Line.CONTROL, errands.work_until_let_go, 1)
    assert machine.noted("began 1")
    assert f":{worker.pid}  control  works  big, gpu" in machine.manage("drain")
    name = machine.runners()[0]
    machine.manage("drain", name)
    enqueue(connection, Line.CONTROL, errands.leave_a_note, 2)
    machine.let_go_of(1)
    assert machine.noted("did 1")
    assert not machine.noted("did 2", 3)
    assert waiting(connection, Line.CONTROL) == [("leave_a_note", 2)]
    machine.manage("drain", name, "--undo")
    assert machine.noted("did 2")


def test_a_runner_that_drains_while_it_waits_hands_nothing_over_late(machine: Machine, connection: redis.Redis) -> None:
    """It stands at the queue and is given the ring in that moment: somebody else shall hear it."""
    first = machine.start()
    enqueue(connection, Line.CONTROL, errands.leave_a_note, 1)
    assert machine.noted("did 1")
    machine.manage("drain", machine.runners()[0])
    enqueue(connection, Line.CONTROL, errands.leave_a_note, 2)
    machine.start()
    assert machine.noted("did 2")
    assert first.poll() is None


def test_several_runners_under_one_leave_when_their_host_has_drained(machine: Machine, connection: redis.Redis) -> None:
    parent = machine.start("--capacity", "2")
    assert until(lambda: len(machine.runners()) == 2)
    enqueue(connection, Line.CONTROL, errands.work_until_let_go, 1)
    assert machine.noted("began 1")
    host = machine.runners()[0].split(":")[0]
    machine.manage("drain", host, "--exit")
    machine.let_go_of(1)
    assert parent.wait(90) == DRAINED
    assert machine.noted("did 1", 0)
    assert machine.runners() == []


def test_several_runners_under_one_end_with_it_however_it_ends(machine: Machine, connection: redis.Redis) -> None:
    told = machine.start("--capacity", "2")
    assert until(lambda: len(machine.runners()) == 2)
    told.send_signal(signal.SIGTERM)
    assert told.wait(90) == 0
    assert machine.runners() == []
    killed = machine.start("--capacity", "2")
    assert until(lambda: len(machine.runners()) == 2)
    pids = [int(name.rpartition(":")[2]) for name in machine.runners()]
    killed.kill()
    killed.wait()
    assert until(lambda: not any(_lives(pid) for pid in pids))


def test_a_label_that_no_file_could_ask_for_is_refused(machine: Machine) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        machine.manage("worker", "control", "--labels", "a b")
    assert "'a b' is no label" in refused.value.stderr


def _manage() -> Sequence[str]:
    return [sys.executable, str(ROOT / "manage.py")]


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return False
