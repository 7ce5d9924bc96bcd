"""A Slipway server as people run it: `manage.py up` in a process of its own, with a state directory of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.ground import Ground, free_port, processes_with, remove

ROOT = Path(__file__).resolve().parents[2]
UP = (str(ROOT / "manage.py"), "up")
SERVER_LABEL = "slipway.server"
_START_SECONDS = 240  # on a machine that tests share
_STOP_SECONDS = 120  # on the same
_SETUP_LINK = re.compile(r"https?://\S+/setup/\S+")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `settings` are the SLIPWAY_* variables that other commands of it need too."""

    url: str
    state: Path
    settings: Mapping[str, str]
    process: "subprocess.Popen[bytes]"

    @property
    def log(self) -> str:
        """Everything that its processes have written so far."""
        return (self.state / "server.log").read_text(errors="replace")

    @property
    def setup_link(self) -> str:
        """The link that makes the operator, as printed at the first start; RuntimeError when there is none."""
        shown = _SETUP_LINK.findall(self.log)
        if not shown:
            raise RuntimeError(f"the server printed no link for its operator:\n{self.log[-2000:]}")
        return str(shown[-1])

    def processes(self) -> list[str]:
        """The command lines of the server's processes that live, and of those that they left."""
        return [_command_line(pid) for pid in processes_with(f"SLIPWAY_STATE_DIR={self.state}")]


@contextlib.contextmanager
def server(here: Ground, state: Path, *, program: Sequence[str] = UP, **settings: str) -> Iterator[Server]:
    """Run a server with its state in `state` (kept) and SLIPWAY_* `settings` (without the prefix).

    Ends it with TERM; RuntimeError when it does not end or leaves a process. Its containers, volumes and networks go.
    """
    running = _start(here, state, program, settings)
    try:
        await_answer(running)
        yield running
    finally:
        try:
            _stop(running)
        finally:
            remove(here.engine, f"{SERVER_LABEL}={here.name}")


def _start(here: Ground, state: Path, program: Sequence[str], settings: Mapping[str, str]) -> Server:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    own = {"STATE_DIR": str(state), "PORT": port, "URL": url, "SERVER_ID": here.name, **settings}
    variables = {f"SLIPWAY_{name}": value for name, value in own.items()}
    state.mkdir(parents=True, exist_ok=True)
    with (state / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *program],
            env=_clean_environment() | variables,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C at the terminal is for the story, which then ends the server
        )
    return Server(url, state, variables, process)


def _clean_environment() -> dict[str, str]:
    """The environment without what was meant for another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    return kept | {"DJANGO_SETTINGS_MODULE": "server.settings", "PYTHONUNBUFFERED": "1"}


def await_answer(running: Server) -> None:
    """Return when the server answers; RuntimeError when it ends before or takes too long."""
    give_up_at = time.monotonic() + _START_SECONDS
    while not _answers(running.url):
        if running.process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"the server did not come up:\n{running.log[-4000:]}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _stop(running: Server) -> None:
    running.process.send_signal(signal.SIGTERM)
    try:
        running.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _kill_all(running)
        raise RuntimeError(f"the server did not end within {_STOP_SECONDS} s:\n{running.log[-2000:]}") from None
    if left := running.processes():
        _kill_all(running)
        raise RuntimeError(f"the server left processes behind: {'; '.join(left)}")


def _kill_all(running: Server) -> None:
    for pid in processes_with(f"SLIPWAY_STATE_DIR={running.state}"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.process.wait()


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return f"process {pid}"
