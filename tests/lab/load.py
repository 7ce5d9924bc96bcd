"""Users: a steady number of requests a second, each one that fails being counted. A process of its own.

    python -m tests.lab.load URL REQUESTS_PER_SECOND

It prints `ready`, runs until its standard input ends, and then prints what it saw as one line of JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.lab.pace import slowness

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0
_KEPT = 16
# A machine that falls behind so far does not measure the load that was asked for.
_LATE_SECONDS = 1.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Seen:
    """What users saw: seconds of every answer, what each failure said, and how often each body came."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    bodies: dict[str, int] = field(default_factory=dict)
    late: int = 0

    @property
    def requests(self) -> int:
        return len(self.seconds) + len(self.failures)

    @property
    def p99(self) -> float:
        """Seconds in which 99 of 100 answers came."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] if self.seconds else 0.0


class Users:
    """Every second request on a connection of its own, the others on connections that are kept."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "127.0.0.1", place.port or 80
        self._kept: list[Connection] = []
        self.seen = Seen()

    async def ask(self, number: int) -> None:
        began = time.monotonic()
        try:
            body = await asyncio.wait_for(self._answer(keeps=number % 2 == 0), PATIENCE_SECONDS)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.seen.failures.append(f"{type(error).__name__}: {error}"[:200])
        else:
            self.seen.seconds.append(time.monotonic() - began)
            self.seen.bodies[body] = self.seen.bodies.get(body, 0) + 1

    async def _answer(self, *, keeps: bool) -> str:
        reader, writer = await self._connection(keeps=keeps)
        try:
            tail = "keep-alive" if keeps else "close"
            writer.write(f"GET / HTTP/1.1\r\nHost: shop\r\nConnection: {tail}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            body = (await reader.readexactly(int(length.partition(":")[2]))).decode()
            if not head.startswith("HTTP/1.1 200"):
                raise ValueError(head.split("\r\n")[0])
        except BaseException:
            writer.close()
            raise
        if keeps and len(self._kept) < _KEPT:
            self._kept.append((reader, writer))
        else:
            writer.close()
        return body

    async def _connection(self, *, keeps: bool) -> Connection:
        if keeps and self._kept:
            return self._kept.pop(0)
        return await asyncio.open_connection(self._host, self._port)


async def run(url: str, rate: float) -> Seen:
    """Send requests until standard input ends, each at its time whether or not those before it have been answered."""
    users, ends = Users(url), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, ends.set)
    await _each_way(users)
    print("ready", flush=True)
    began, number = loop.time(), 0
    under_way: set[asyncio.Task[None]] = set()
    while not ends.is_set():
        number += 1
        wait = began + number / rate - loop.time()
        users.seen.late += wait < -_LATE_SECONDS
        await asyncio.sleep(max(0.0, wait))
        task = asyncio.create_task(users.ask(number))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    await _each_way(users)
    return users.seen


async def _each_way(users: Users) -> None:
    """Who serves at the beginning and at the end is met, however little time a busy machine leaves in between."""
    await asyncio.gather(*(users.ask(number) for number in range(4)))


@contextmanager
def users(url: str, rate: float | None = None) -> Iterator[Seen]:
    """Keep the load on `url` for the time of the context; what was seen is filled in at its end. Unless a rate is
    named, it is 200 a second, or as much less as the machine is slower."""
    seen, rate = Seen(), rate or 200 / slowness()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.load", url, str(rate)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the load generator ended with {process.wait()}")
        yield seen
        told = json.loads(process.communicate("", timeout=120)[0])
        seen.seconds, seen.failures = told["seconds"], told["failures"]
        seen.bodies, seen.late = told["bodies"], told["late"]
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(sys.argv[1], float(sys.argv[2]))))), flush=True)
