"""A Redis of the benchmark's own, that it can freeze and stop without a supervisor starting it again."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.queue.supervisor import redis_binary

_START_SECONDS = 10


@dataclass(slots=True)
class Doorbell:
    """A redis-server on a private socket."""

    directory: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self.directory)]
        options += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--loglevel", "warning"]
        self.process = subprocess.Popen([redis_binary(), *options], stdout=subprocess.DEVNULL)
        give_up_at = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > give_up_at:
                raise RuntimeError("the benchmark's Redis did not start")
            time.sleep(0.02)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.thaw()
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def _socket(self) -> Path:
        return self.directory / "redis.sock"

    def _signal(self, number: int) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asked, contextlib.suppress(OSError):
            asked.connect(str(self._socket))
            asked.sendall(b"PING\r\n")
            return asked.recv(16).startswith(b"+PONG")
        return False


@contextlib.contextmanager
def doorbell(directory: Path) -> Iterator[Doorbell]:
    """Run one with its files in `directory`, until the end of the block."""
    bell = Doorbell(directory)
    bell.start()
    try:
        yield bell
    finally:
        bell.stop()
