"""Many viewers of one log in a process of their own: `Watch` in the benchmark, this module's main on the other side.

They speak WebSocket themselves, as little of it as there is to speak, because a library for clients would take more of
the machine than the server that is measured. What they get is compared byte by byte with what the first of them got.
"""

import asyncio
import base64
import json
import math
import os
import random
import select
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

LINE_BYTES = 100
_AT_ONCE = 50  # handshakes
_BUFFER_BYTES = 256 * 1024
_HAD_BYTES = 64 * 1024  # after so many, and up to as many more, the server is told that they are there, as by pages
_OPCODE_TEXT, _OPCODE_BINARY, _OPCODE_CLOSE, _OPCODE_PING, _OPCODE_PONG = 1, 2, 8, 9, 10


@dataclass(frozen=True, slots=True)
class Order:
    """What to watch: `viewers` that read, and `stalled` that open the log and then read nothing more. Without a
    `log_id` it comes unasked."""

    port: int
    path: str
    log_id: int
    cookie: str
    viewers: int
    stalled: int
    seconds_max: float = 120


@dataclass(slots=True)
class Seen:
    """What the viewers got. Latencies are of lines printed when all were there, from print to arrival, in ms."""

    whole: int = 0  # viewers that got every byte to the end
    size: int = 0
    lines: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    connected_seconds: float = 0.0

    def percentile(self, percent: float) -> float:
        """Seconds within which so many of a hundred lines were there."""
        wanted, passed = math.ceil(sum(self.latencies.values()) * percent / 100), 0
        for ms, count in sorted(self.latencies.items()):
            passed += count
            if passed >= wanted:
                return ms / 1000
        return math.inf


class Watch:
    """The other side, running."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.watching", json.dumps(asdict(order))], stdout=subprocess.PIPE, text=True
        )

    def ready(self) -> None:
        """Returns when every viewer is there."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the viewers did not all get in")

    def is_watching(self) -> bool:
        """Until the log has ended, or the last viewer has left."""
        assert self._process.stdout is not None
        return not select.select([self._process.stdout], [], [], 0)[0]

    def seen(self) -> Seen:
        out, _ = self._process.communicate(timeout=180)
        told = json.loads(out)
        told["latencies"] = {int(ms): count for ms, count in told["latencies"].items()}
        return Seen(**told)


class Viewer(asyncio.BufferedProtocol):
    """One viewer's end of its socket."""

    def __init__(self, crowd: "Crowd", *, reads: bool) -> None:
        self._crowd = crowd
        self._reads = reads
        self._held = b""  # of a frame that is not all there
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.size = self._told = 0
        self._tells_after = _HAD_BYTES * (1 + random.random())  # noqa: S311
        self.arrivals: list[tuple[int, int, float]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._crowd.request)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One for all: what is read into it is taken at once."""
        return self._crowd.buffer

    def buffer_updated(self, count: int) -> None:
        data = self._crowd.buffer[:count]
        if self._held:
            data = memoryview(self._held + bytes(data))
        at = 0 if self.opened.done() else self._open(data)
        while self.opened.done() and (end := self._take(data, at)):
            at = end
        self._held = bytes(data[at:])

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.opened, self.ended):
            if not future.done():
                future.set_result(None)

    def _open(self, data: memoryview) -> int:
        head = bytes(data).partition(b"\r\n\r\n")
        if not head[1]:
            return 0
        if not head[0].startswith(b"HTTP/1.1 101") or b"permessage-deflate" in head[0].lower():
            raise RuntimeError(head[0].decode())  # refused, or it would compress for every viewer
        self.opened.set_result(None)
        self._say({"from": 0})
        if not self._reads:
            self.transport.pause_reading()
        return len(head[0]) + 4

    def _say(self, asked: dict[str, int]) -> None:
        if self._crowd.order.log_id:
            self._write(_OPCODE_TEXT, json.dumps({"log": self._crowd.order.log_id, **asked}).encode())

    def _write(self, opcode: int, content: bytes) -> None:
        """At most 125 bytes, masked with nothing."""
        self.transport.write(bytes([0x80 | opcode, 0x80 | len(content), 0, 0, 0, 0]) + content)

    def _take(self, data: memoryview, at: int) -> int:
        """Take the frame that begins at `at`; gives where it ends, or 0 while it is not all there."""
        if len(data) < at + 2:
            return 0
        opcode, length, begin = data[at] & 15, data[at + 1] & 127, at + 2
        if length > 125:
            begin += 2 if length == 126 else 8
            length = int.from_bytes(data[at + 2 : begin])
        if len(data) < begin + length:
            return 0
        self._hear(opcode, data[begin : begin + length])
        return begin + length

    def _hear(self, opcode: int, content: memoryview) -> None:
        if opcode == _OPCODE_BINARY:
            self._take_bytes(int.from_bytes(content[8:16]), content[16:])
        elif opcode == _OPCODE_PING:
            self._write(_OPCODE_PONG, bytes(content))
        elif opcode == _OPCODE_CLOSE or (opcode == _OPCODE_TEXT and b'"closed"' in bytes(content)):
            self.transport.close()

    def _take_bytes(self, offset: int, data: memoryview) -> None:
        if offset != self.size or not self._crowd.is_same(offset, data):
            raise RuntimeError(f"byte {offset} came where byte {self.size} had to")
        self.size += len(data)
        self.arrivals.append((offset, self.size, time.time()))
        if self.size - self._told >= self._tells_after:
            self._told = self.size
            self._say({"had": self.size})


class Crowd:
    """All viewers, and the text as the first of them gets it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.text = bytearray()
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self.request = _request(order)
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def is_same(self, offset: int, data: memoryview) -> bool:
        if offset + len(data) > len(self.text):
            self.text += data[len(self.text) - offset :]
        with memoryview(self.text) as text:
            return text[offset : offset + len(data)] == data

    async def watch(self) -> Seen:
        began = time.time()
        stalled = [await self._enter(reads=False) for _ in range(self.order.stalled)]
        viewers = await asyncio.gather(*(self._enter(reads=True) for _ in range(self.order.viewers)))
        all_there = time.time()
        print("ready", flush=True)
        await asyncio.wait([viewer.ended for viewer in viewers], timeout=self.order.seconds_max)
        for viewer in stalled:
            viewer.transport.abort()
        whole = sum(viewer.size == len(self.text) for viewer in viewers)
        seen = Seen(whole, len(self.text), connected_seconds=all_there - began)
        self._measure(seen, viewers, all_there + 1)
        return seen

    async def _enter(self, *, reads: bool) -> Viewer:
        async with self._gate:
            _, viewer = await asyncio.get_running_loop().create_connection(
                lambda: Viewer(self, reads=reads), "127.0.0.1", self.order.port
            )
            await viewer.opened
        return viewer

    def _measure(self, seen: Seen, viewers: list[Viewer], since: float) -> None:
        printed = [float(line[:17]) for line in bytes(self.text).split(b"\n")[:-1]]
        seen.lines = len(printed)
        for viewer in viewers:
            for begin, end, at in viewer.arrivals:
                for line in range((begin + LINE_BYTES - 1) // LINE_BYTES, end // LINE_BYTES):
                    if printed[line] >= since:
                        ms = round((at - printed[line]) * 1000)
                        seen.latencies[ms] = seen.latencies.get(ms, 0) + 1


def _request(order: Order) -> bytes:
    lines = [
        f"GET {order.path} HTTP/1.1",
        f"Host: 127.0.0.1:{order.port}",
        f"Origin: http://127.0.0.1:{order.port}",
        f"Cookie: {order.cookie}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",  # as browsers offer
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def main() -> None:
    """Take the order from the command line, say when all are there, and answer on standard output."""
    order = Order(**json.loads(sys.argv[1]))

    async def watch() -> Seen:
        return await Crowd(order).watch()

    print(json.dumps(asdict(asyncio.run(watch()))))


if __name__ == "__main__":
    main()
