"""A Redis that can be stopped, started again, frozen and killed."""

import os
import signal
import subprocess
import time
from pathlib import Path

import redis

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
        return redis.Redis.from_url(self.url, socket_timeout=60)

    def start(self) -> None:
        """Returns when it answers; one that runs is left alone."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(self._command)
        for _ in range(6000):
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
