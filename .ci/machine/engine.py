"""The Docker engine: one that answers is used; else one is started, and stopped when its last user has gone.

Preparations that race meet at two locks of this user: `engine.lock` is held while one looks, starts or stops;
`engine.users` is held shared by everyone who needs the engine.
"""

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from machine.packages import as_root, may_act
from machine.places import locked, state_directory
from machine.speech import Halt, say

_SOCKET = "/var/run/docker.sock"
_START_SECONDS = 60
_STOP_SECONDS = 40


@contextlib.contextmanager
def running_engine() -> Iterator[None]:
    """Have an engine that answers for as long as the block takes."""
    with _path("users").open("a") as users:
        with locked(_path("lock")):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not answers():
                _start()
        try:
            yield
        finally:
            _leave(users.fileno())


def answers() -> bool:
    """Whether an engine answers; one that refuses this user raises Halt."""
    if os.environ.get("DOCKER_HOST", f"unix://{_SOCKET}") != f"unix://{_SOCKET}":
        return True
    try:
        return _ping() == 200
    except PermissionError:
        raise Halt(f"a Docker engine runs, but you may not use {_SOCKET}: join its group, and sign in anew") from None
    except (OSError, http.client.HTTPException):
        return False


def _ping() -> int:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(5)
    with contextlib.closing(connection):
        connection.sock.connect(_SOCKET)
        connection.request("GET", "/_ping")
        return connection.getresponse().status


def _start() -> None:
    if not may_act():
        raise Halt("no Docker engine answers. Start it with:  sudo systemctl start docker  (or: sudo dockerd)")
    if Path("/run/systemd/system").exists():
        say("starting the Docker engine with systemctl")
        subprocess.run(as_root("systemctl", "start", "docker"), check=False)
        _path("systemd").touch()
    else:
        say(f"starting dockerd, with its log in {_path('log')}")
        _start_daemon()
    _await_answer()


def _start_daemon() -> None:
    if _pid() is None:
        subprocess.run(as_root("rm", "-f", str(_path("pid"))), check=True)
    group = ["--group", str(os.getgid())] if os.getgid() else []
    command = as_root("dockerd", "--pidfile", str(_path("pid")), *group)
    with _path("log").open("wb") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _await_answer() -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not answers():
        if time.monotonic() > give_up_at:
            told = _path("log").read_text(errors="replace")[-2000:] if _path("log").exists() else ""
            raise Halt(f"the Docker engine did not answer within {_START_SECONDS} s.\n{told}")
        time.sleep(0.2)


def _leave(users: int) -> None:
    """Give up our share; whoever finds no other share held stops what was started here."""
    with locked(_path("lock")):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(users, fcntl.LOCK_UN)
        else:
            _stop()


def _stop() -> None:
    if _path("systemd").exists():
        subprocess.run(as_root("systemctl", "stop", "docker.socket", "docker"), check=False)
        _path("systemd").unlink()
    pid = _pid()
    if pid is None:
        return
    ask_to_end = f"import os; os.kill({pid}, {signal.SIGTERM:d})"  # a bare system has no program called kill
    subprocess.run(as_root(sys.executable, "-c", ask_to_end), check=False)
    give_up_at = time.monotonic() + _STOP_SECONDS
    while _pid() is not None and time.monotonic() < give_up_at:
        time.sleep(0.1)


def _pid() -> int | None:
    """The daemon that was started from here and still runs; a number that now means another program is none."""
    try:
        pid = int(_path("pid").read_text())
        runs = Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd"
    except (OSError, ValueError):
        return None
    return pid if runs else None


def _path(suffix: str) -> Path:
    return state_directory() / f"engine.{suffix}"
