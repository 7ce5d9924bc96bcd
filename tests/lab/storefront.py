"""A shop whose users would notice: hosts with sshd, a real program that answers on each, HAProxy before them."""

import contextlib
import io
import os
import signal
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.haproxy import Proxy, haproxy
from tests.lab.sshd import Sshd, free_port, running_fleet

# Answers the release's number after 20 ms, and dies at once, whatever it was answering, when it is told to end.
_APP = """\
import asyncio, sys

async def serve(reader, writer):
    try:
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            path = line.split()[1]
            status = b"500 Broken" if path == b"/healthz" and BROKEN else b"200 OK"
            if path == b"/":
                await asyncio.sleep(0.02)
            writer.write(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: " + str(len(TEXT)).encode() + b"\\r\\n\\r\\n")
            writer.write(TEXT)
    except (OSError, IndexError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]), backlog=512)
    await server.serve_forever()

asyncio.run(main())
"""

# The address is a file on each host; `current` has been switched to this release.
_START = """\
set -eu
cd /srv/shop/current
if old=$(cat /srv/app.pid 2>/dev/null); then
  kill "$old" 2>/dev/null || true
  while grep -q 'State:.[^Z]' "/proc/$old/status" 2>/dev/null; do sleep 0.02; done
fi
setsid PYTHON app.py $(cat /srv/address) </dev/null >/srv/app.log 2>&1 &
echo $! > /srv/app.pid
"""


@dataclass(frozen=True, slots=True)
class Storefront:
    """Users come to the proxy's url."""

    hosts: Sequence[Sshd]
    groups: Sequence[str]
    proxy: Proxy
    port: int

    def inventory(self) -> dict[str, Any]:
        """The fixed list of an environment."""
        return {
            "hosts": [
                {"name": name_of(number), "address": host.address.host, **({"group": group} if group else {})}
                for number, (host, group) in enumerate(zip(self.hosts, self.groups, strict=True), 1)
            ]
        }


def spec_of(**changes: Any) -> dict[str, Any]:
    """The deploy section of the shop's releases."""
    return {
        "artifact": "dist/",
        "path": "/srv/shop",
        "activate": "sh ./start",
        "health": {"command": "curl -sf http://$(tr ' ' : < /srv/address)/healthz", "timeout_seconds": 60},
        "strategy": {"waves": [1, "rest"], "parallel": 10, "max_failures": 0},
        **changes,
    }


def name_of(number: int) -> str:
    return f"web-{number}"


def archive(text: str, *, broken: bool = False) -> bytes:
    """A release of the shop, as a stage keeps it: users are answered with the text."""
    files = {"app.py": f"TEXT, BROKEN = {text.encode()!r}, {broken}\n{_APP}", "start": _START}
    files["start"] = files["start"].replace("PYTHON", sys.executable)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as sheet:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"dist/{name}")
            entry.size = len(content.encode())
            sheet.addfile(entry, io.BytesIO(content.encode()))
    return data.getvalue()


@contextlib.contextmanager
def storefront(
    directory: Path, *, private_key: str, public_key: str, groups: Sequence[str] = ("", "", "")
) -> Iterator[Storefront]:
    """One host for each of `groups`; the programs, the hosts and HAProxy are gone at the end."""
    count = len(groups)
    with running_fleet(directory / "hosts", count, private_key=private_key, public_key=public_key) as hosts:
        port = free_port(*(host.address.host for host in hosts))
        for host in hosts:
            (host.root / "address").write_text(f"{host.address.host} {port}\n")
        servers = {name_of(number): f"{host.address.host}:{port}" for number, host in enumerate(hosts, 1)}
        try:
            with haproxy(directory / "haproxy", servers) as proxy:
                yield Storefront(hosts, groups, proxy, port)
        finally:
            for host in hosts:
                end_program(host)


def end_program(host: Sshd) -> None:
    """It outlives the sshd that started it."""
    file = host.root / "app.pid"
    if file.exists():
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)
