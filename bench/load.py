"""A load generator in a process of its own: `load` in the benchmark, this module's main on the other side.

Requests are made and signed before the clock starts; so many connections, kept alive, each send the next one when the
last is answered.
"""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.lab.webhooks import headers

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Delivery:
    """One push as the code host sends it."""

    id: str
    payload: dict[str, Any]


@dataclass(slots=True)
class Answered:
    """What came of a load. `seconds` are of single answers, in ascending order."""

    took_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.took_seconds

    def percentile(self, percent: float) -> float:
        """The time within which so many of a hundred were answered."""
        return self.seconds[max(math.ceil(len(self.seconds) * percent / 100) - 1, 0)]


def load(url: str, secret: str, deliveries: Sequence[Delivery], timeout_seconds: float = 60) -> Answered:
    """Send all deliveries and hear how they were answered."""
    order = {"url": url, "secret": secret, "deliveries": [asdict(each) for each in deliveries]}
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        timeout=timeout_seconds,
        check=True,
    )
    return Answered(**json.loads(done.stdout))


async def _send_all(url: str, requests: list[bytes]) -> Answered:
    answered, parts = Answered(), urlsplit(url)
    began = time.perf_counter()
    host, port = str(parts.hostname), int(parts.port or 80)
    await asyncio.gather(*(_send(host, port, requests, answered) for _ in range(CONNECTIONS)))
    answered.took_seconds = time.perf_counter() - began
    answered.seconds.sort()
    return answered


async def _send(host: str, port: int, requests: list[bytes], answered: Answered) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while requests:
        request = requests.pop()
        began = time.perf_counter()
        writer.write(request)
        status = await _status(reader)
        answered.seconds.append(time.perf_counter() - began)
        answered.statuses[status] = answered.statuses.get(status, 0) + 1
    writer.close()
    await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> str:
    """The status of the next answer, of which the rest is read as well."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(line for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return first.split(b" ")[1].decode()


def _request(url: str, secret: str, delivery: Delivery) -> bytes:
    body, parts = json.dumps(delivery.payload).encode(), urlsplit(url)
    own = {"Host": parts.netloc, "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in (own | headers("push", body, secret, delivery.id)).items()]
    return "\r\n".join([f"POST {parts.path} HTTP/1.1", *lines, "", ""]).encode() + body


def main() -> None:
    """Take the order from standard input and answer on standard output."""
    order = json.load(sys.stdin)
    url, secret = order["url"], order["secret"]
    requests = [_request(url, secret, Delivery(**each)) for each in order["deliveries"]]
    print(json.dumps(asdict(asyncio.run(_send_all(url, requests[::-1])))))


if __name__ == "__main__":
    main()
