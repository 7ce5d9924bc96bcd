"""Real worker processes: they serve one queue, let go when told to end, and die with whoever started them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from runners.queue.queues import Line, enqueue
from tests.architecture.sources import ROOT
from tests.lab.redis_server import OwnRedis
from tests.runners.queue import errands
from tests.runners.queue.waiting import until


class Worker:
    """`manage.py worker control` with a state directory of its own."""

    def __init__(self, url: str) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="slipway-worker-"))
        (self.state / "notes").mkdir()
        environ = {**os.environ, "SLIPWAY_STATE_DIR": str(self.state), "SLIPWAY_REDIS_URL": url}
        environ["DJANGO_SETTINGS_MODULE"] = "server.settings"
        command = [sys.executable, str(ROOT / "manage.py"), "worker", "control"]
        self.process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)

    def noted(self, text: str, seconds: float = 60) -> bool:
        return until((self.state / "notes" / text).exists, seconds)

    def end(self) -> str:
        """Kill it if it is there; gives what it wrote to stderr."""
        self.process.kill()
        _, errors = self.process.communicate()
        shutil.rmtree(self.state)
        return errors


@pytest.fixture
def worker(own_redis: OwnRedis) -> Iterator[Worker]:
    worker = Worker(own_redis.url)
    yield worker
    worker.end()


def test_a_worker_performs_what_is_rung_for(worker: Worker, connection: redis.Redis) -> None:
    for number in range(3):
        enqueue(connection, Line.CONTROL, errands.leave_a_note, number)
    assert all(worker.noted(f"did {number}") for number in range(3))


def test_a_worker_told_to_end_while_it_waits_ends_soon(worker: Worker, connection: redis.Redis) -> None:
    enqueue(connection, Line.CONTROL, errands.leave_a_note, 1)
    assert worker.noted("did 1")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0


def test_a_worker_told_to_end_while_it_works_lets_go_and_takes_nothing_more(
    worker: Worker, connection: redis.Redis
) -> None:
    enqueue(connection, Line.CONTROL, errands.work_until_interrupted, 1)
    assert worker.noted("began 1")
    enqueue(connection, Line.CONTROL, errands.leave_a_note, 2)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0
    assert worker.noted("let go 1", 0)
    assert not worker.noted("did 2", 0)


def test_a_worker_rides_out_a_restart_of_redis(worker: Worker, own_redis: OwnRedis) -> None:
    enqueue(own_redis.client(), Line.CONTROL, errands.leave_a_note, 1)
    assert worker.noted("did 1")
    own_redis.stop()
    time.sleep(1)
    own_redis.start()
    enqueue(own_redis.client(), Line.CONTROL, errands.leave_a_note, 2)
    assert worker.noted("did 2")
    assert worker.process.poll() is None


def test_a_worker_refuses_a_redis_that_evicts(own_redis: OwnRedis) -> None:
    own_redis.client().config_set("maxmemory-policy", "allkeys-lru")
    worker = Worker(own_redis.url)
    assert worker.process.wait(60) != 0
    assert "Set maxmemory-policy noeviction" in worker.end()


def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import time\nimport django\ndjango.setup()\n"
        "from runners.queue.supervisor import Child\n"
        "child = Child('sleeper', ['sleep', '600'])\n"
        "child.start()\n"
        f"open({str(note)!r}, 'w').write(str(child.process.pid) + '\\n')\n"
        "time.sleep(600)\n"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "server.settings"}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environ)
    assert until(lambda: note.exists() and note.read_text().endswith("\n"))
    child = Path(f"/proc/{note.read_text().strip()}")
    assert child.exists()
    parent.kill()
    parent.wait()
    assert until(lambda: not child.exists() or "Z" in (child / "stat").read_text().split()[2])
