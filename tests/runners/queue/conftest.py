"""A real Redis of the test's own, on a private socket."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from runners.queue.supervisor import redis_binary


class OwnRedis:
    """A redis-server that can be stopped, started again, frozen and killed."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.socket = directory / "redis.sock"
        self._command = [redis_binary(), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(directory)]
        self._command += ["--save", "", "--loglevel", "warning", *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)
        for _ in range(400):
            try:
                self.client().ping()
            except redis.RedisError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError("Redis did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[OwnRedis]:
    """A running Redis, which the settings name for the length of the test."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-redis-"))
    server = OwnRedis(directory)
    server.start()
    settings.SLIPWAY_REDIS_URL = server.url
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture
def connection(own_redis: OwnRedis) -> Iterator[redis.Redis]:
    client = own_redis.client()
    yield client
    client.close()
