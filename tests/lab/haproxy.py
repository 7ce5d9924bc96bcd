"""A real HAProxy in front of the lab's hosts, with its runtime API on a socket."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.sshd import free_port

BACKEND = "shop"
_START_SECONDS = 60

_CONFIGURATION = """\
global
  stats socket {directory}/admin.sock mode 600 level admin
  stats socket ipv4@127.0.0.1:{admin_port} level admin
  stats socket {directory}/user.sock mode 600 level user
  hard-stop-after 1s
defaults
  mode http
  timeout connect 10s
  timeout check 10s
  timeout client 60s
  timeout server 60s
frontend users
  bind 127.0.0.1:{port}
  default_backend {backend}
backend {backend}
  balance roundrobin
  option httpchk GET /healthz
  default-server check inter 200ms fall 2 rise 1
{servers}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """HAProxy as it runs: users come to `url`, and its runtime API answers at two sockets."""

    directory: Path
    port: int
    admin_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def unix(self) -> str:
        return f"unix://{self.directory}/admin.sock"

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{self.admin_port}"

    @property
    def without_rights(self) -> str:
        """A socket that lets one look, and change nothing."""
        return f"unix://{self.directory}/user.sock"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """As an environment has them."""
        return {"socket": self.unix, "backend": BACKEND, "drain_seconds": 30, "attach_seconds": 30} | changes


@contextlib.contextmanager
def haproxy(directory: Path, servers: Mapping[str, str], idle: tuple[str, ...] = ()) -> Iterator[Proxy]:
    """Run HAProxy before `servers` (name → address:port), those of `idle` being in maintenance; gone at the end."""
    if shutil.which("haproxy") is None:
        raise RuntimeError("these tests put a real HAProxy in front of hosts: install haproxy")
    directory.mkdir(parents=True, exist_ok=True)
    proxy = Proxy(directory, free_port("127.0.0.1"), free_port("127.0.0.1"))
    lines = [f"  server {name} {place}{' disabled' if name in idle else ''}" for name, place in servers.items()]
    text = _CONFIGURATION.format(
        directory=directory, port=proxy.port, admin_port=proxy.admin_port, backend=BACKEND, servers="\n".join(lines)
    )
    (directory / "haproxy.cfg").write_text(text)
    with (directory / "haproxy.log").open("wb") as log:
        command = ["haproxy", "-db", "-f", str(directory / "haproxy.cfg")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await_answers(process, proxy)
        yield proxy
    finally:
        process.terminate()
        process.wait(60)


def _await_answers(process: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    """Its sockets lie there for a moment before it listens."""
    give_up_at = time.monotonic() + _START_SECONDS
    while not _listens(proxy):
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"HAProxy did not start: {(proxy.directory / 'haproxy.log').read_text()}")
        time.sleep(0.02)


def _listens(proxy: Proxy) -> bool:
    try:
        for name in ("admin.sock", "user.sock"):
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(str(proxy.directory / name))
        for port in (proxy.admin_port, proxy.port):
            socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
