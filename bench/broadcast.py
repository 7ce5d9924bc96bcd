"""The yardstick of `bench.viewers`: the `websockets` library alone, which sends new lines to all ten times a second.

No login, no database, no worker: it makes the lines itself.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.asyncio.server import ServerConnection, broadcast, serve

from tests.lab.ground import free_port

LINE = "{:.6f} {:07d} ".format
_FRAME_SECONDS = 0.1


@contextmanager
def bare_broadcast(lines: int, seconds: float, wait_seconds: float) -> Iterator[int]:
    """Run it in a process of its own; gives its port. It begins to print after `wait_seconds`."""
    port = free_port()
    command = [sys.executable, "-m", "bench.broadcast", str(port), str(lines), str(seconds), str(wait_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def run(port: int, lines: int, seconds: float, wait_seconds: float) -> None:
    """Serve until all is sent, then close every socket."""
    present: set[ServerConnection] = set()

    async def stay(connection: ServerConnection) -> None:
        present.add(connection)
        await connection.wait_closed()

    async with serve(stay, "127.0.0.1", port, compression=None, ping_interval=None):
        print("up", flush=True)
        await asyncio.sleep(wait_seconds)
        await _print(present, lines, seconds)
        for connection in present:
            await connection.close()


async def _print(present: set[ServerConnection], lines: int, seconds: float) -> None:
    began, sent, offset = time.time(), 0, 0
    while sent < lines:
        await asyncio.sleep(_FRAME_SECONDS)
        due = min(lines, int((time.time() - began) * lines / seconds))
        printed = [LINE(began + number * seconds / lines, number).ljust(99, "x") + "\n" for number in range(sent, due)]
        text = "".join(printed).encode()
        broadcast(present, bytes(8) + offset.to_bytes(8) + text)
        sent, offset = due, offset + len(text)


def main() -> None:
    """`python -m bench.broadcast PORT LINES SECONDS WAIT_SECONDS`."""
    port, lines, seconds, wait_seconds = sys.argv[1:]
    asyncio.run(run(int(port), int(lines), float(seconds), float(wait_seconds)))


if __name__ == "__main__":
    main()
