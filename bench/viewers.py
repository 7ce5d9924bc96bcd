"""`make bench-viewers`: 1,000 WebSocket viewers of one log that a real stage prints at 1,000 lines a second.

End to end: container, worker, database, server, socket. Every line carries the time it was printed at. One more viewer
opens the log and then reads nothing. The yardstick is the `websockets` library alone (`bench.broadcast`), on a machine
that does nothing else, with the same viewers.
"""

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench import report
from bench.broadcast import bare_broadcast
from bench.stand import Stand, stand, until, warm_up
from bench.watching import LINE_BYTES, Order, Seen, Watch
from tests.lab import payloads
from tests.lab.ground import processes_with
from tests.lab.images import image
from tests.lab.webhooks import deliver

VIEWERS, STALLED = 1000, 1
PER_SECOND, SECONDS = 1000, 25
_P99_MS_MAX = 200
VIEWER_KIB_MAX = 256
_WAIT_SECONDS = 12  # in which the viewers come
_RUN_SECONDS = 120

_LINES = PER_SECOND * SECONDS
_SCRIPT = f"""
import os, time
time.sleep({_WAIT_SECONDS})
began = time.time()
for number in range({_LINES}):
    ahead = began + number / {PER_SECOND} - time.time()
    if ahead > 0:
        time.sleep(ahead)
    os.write(1, "{{:.6f}} {{:07d}} ".format(time.time(), number).ljust({LINE_BYTES - 1}, "x").encode() + b"\\n")
"""
_SPEC = "image: {image}\nstages:\n  print: {{steps: [python3 lines.py]}}\n"


def main() -> None:
    """Measure ours, then the yardstick, and print."""
    with stand() as here:
        warm_up(here)
        ours, kib, stored = _ours(here)
    bare = _bare()
    _tell(ours, bare)
    everything = ours.whole == VIEWERS and ours.lines == _LINES and ours.size == stored
    p99 = ours.percentile(99)
    demands = [
        report.Demand(f"{ours.whole} of {VIEWERS} viewers got all of {_LINES:,} lines, byte by byte", everything),
        report.Demand(f"p99 from print to arrival {p99 * 1000:.0f} ms, below {_P99_MS_MAX}", p99 * 1000 < _P99_MS_MAX),
        report.Demand(f"{kib:.0f} KiB of memory a viewer, below {VIEWER_KIB_MAX}", kib < VIEWER_KIB_MAX),
    ]
    report.conclude(report.Figure(p99, bare.percentile(99)), demands)


def _ours(here: Stand) -> tuple[Seen, float, int]:
    """What the viewers saw, the server's memory for one of them in KiB, and the bytes that are stored."""
    from pipelines.runs.models import Attempt

    files = {".slipway.yml": _SPEC.format(image=image("python", here.here.engine)), "lines.py": _SCRIPT}
    movement = here.repository.push(files, "print")
    deliver(here.webhook, "push", payloads.push(here.repository.origin, movement))
    attempt = until(lambda: Attempt.objects.filter(stage__run__sha=movement.after).first(), _RUN_SECONDS)
    before = _web_kib(here)
    port = int(urlsplit(here.server.url).port or 80)
    watch = Watch(Order(port, "/ws/live/", attempt.log_id, _cookie(), VIEWERS, STALLED))
    watch.ready()
    after = 0.0
    while watch.is_watching():  # nothing here may take of the machine meanwhile
        after = max(after, _web_kib(here))
        time.sleep(1)
    seen = watch.seen()
    attempt.log.refresh_from_db()
    return seen, (after - before) / VIEWERS, attempt.log.size


def _bare() -> Seen:
    with bare_broadcast(_LINES // 2, SECONDS / 2, _WAIT_SECONDS / 2) as port:
        watch = Watch(Order(port, "/", 0, "", VIEWERS, 0))
        watch.ready()
        return watch.seen()


def _cookie() -> str:
    """A session of an operator."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("viewer"))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def _web_kib(here: Stand) -> float:
    """The memory of the web process that is not shared with others."""
    for pid in processes_with(f"SLIPWAY_STATE_DIR={here.server.state}"):
        if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            return float(found[1]) if found else 0.0
    raise RuntimeError("there is no web process")


def _tell(ours: Seen, bare: Seen) -> None:
    rows = [_row("a stage's output", ours), ("websockets alone", *_row("", bare)[1:])]
    heads = ["", "median", "p95", "p99", "most", "to let all in"]
    report.table(f"{VIEWERS} viewers of {PER_SECOND} lines a second, from print to arrival, in seconds", heads, rows)


def _row(name: str, seen: Seen) -> tuple[object, ...]:
    return (name, *(seen.percentile(percent) for percent in (50, 95, 99, 100)), seen.connected_seconds)


if __name__ == "__main__":
    main()
