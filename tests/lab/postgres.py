"""A PostgreSQL of the tests' own: on a private socket, in a directory that goes with it.

`python -m tests.lab.postgres COMMAND...` runs a command with SLIPWAY_DATABASE_URL set to it.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

_START_SECONDS = 120
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start an empty server; gives the URL of its one database."""
    programs = _programs()
    directory = Path(tempfile.mkdtemp(prefix="slipway-postgres-"))
    user = _owner(directory)
    options = ["-D", str(directory / "data"), "-U", "slipway", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([str(programs / "initdb"), *options], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")
    server = _start(programs, directory, user)
    try:
        _await_socket(server, directory)
        yield f"postgres://slipway@{urllib.parse.quote(str(directory), safe='')}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # without waiting for clients that have not left
        server.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path:
    """The newest version's programs; Debian keeps them off PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not kept:
        raise RuntimeError("PostgreSQL's programs are not in /usr/lib/postgresql: install the package postgresql")
    return kept[-1].parent


def _owner(directory: Path) -> int:
    """PostgreSQL refuses to run as root, so root lends it the user that its package made."""
    if os.geteuid() != 0:
        return os.geteuid()
    user = pwd.getpwnam("postgres").pw_uid
    os.chown(directory, user, -1)
    return user


def _start(programs: Path, directory: Path, user: int) -> "subprocess.Popen[bytes]":
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    command = [str(programs / "postgres"), "-D", str(directory / "data"), "-k", str(directory), "-h", "", *settings]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(command, user=user, stderr=log, stdout=log, cwd="/")


def _await_socket(server: "subprocess.Popen[bytes]", directory: Path) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while "ready to accept connections" not in (directory / "log").read_text(errors="replace"):
        if server.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"PostgreSQL did not start:\n{(directory / 'log').read_text(errors='replace')}")
        time.sleep(0.05)


def main() -> int:
    """Run the command beside a server of its own; gives its status."""
    with postgres() as url:
        return subprocess.run(sys.argv[1:], env={**os.environ, "SLIPWAY_DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
