"""`make bench-first-line`: from sending a webhook to the first line of the log on an open WebSocket, by turns with the
first line of a bare `docker run`.

The mirror and the image are warm, the commit is new. The socket is opened as soon as the attempt has a log, which is
long before its container prints anything.
"""

import json
import statistics
import subprocess
import time
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from bench import report
from bench.stand import Stand, quiet, stand, turns, until, verdict_of, warm_up
from tests.lab import payloads
from tests.lab.webhooks import deliver

if TYPE_CHECKING:
    from pipelines.runs.models import Run

PAIRS = 20
MEASURE_SECONDS = 60
OVERHEAD_SECONDS_MAX = 0.25
_RUN_SECONDS = 60

_SPEC = "image: {image}\nstages:\n  print: {{steps: [echo the first line]}}\n"


def main() -> None:
    """Measure in pairs and print."""
    with stand() as here:
        warm_up(here)
        cookie = _cookie()
        ours, bare, moments = [], [], []
        _ours(here, cookie, -1)
        _bare(here)
        for number in turns(PAIRS, MEASURE_SECONDS):
            seconds, reached = _ours(here, cookie, number)
            ours.append(seconds)
            moments.append(reached)
            bare.append(_bare(here))
    figure = report.paired(ours, bare)
    overheads = [one - other for one, other in zip(ours, bare, strict=True)]
    rows = [("webhook to first line", ours), ("docker run --rm", bare), ("more than the bare one", overheads)]
    shown = [(name, min(each), statistics.median(each), max(each)) for name, each in rows]
    report.table(f"{len(ours)} pairs by turns, in seconds", ["", "least", "median", "most"], shown)
    medians = [(name, statistics.median(each[name] for each in moments)) for name in moments[0]]
    report.table("where ours goes, medians", ["until", "seconds"], medians)
    overhead = statistics.median(overheads)
    sentence = f"median overhead {overhead * 1000:.0f} ms, at most {OVERHEAD_SECONDS_MAX * 1000:.0f}"
    report.conclude(figure, [report.Demand(sentence, overhead <= OVERHEAD_SECONDS_MAX)])


def _ours(here: Stand, cookie: str, number: int) -> tuple[float, dict[str, float]]:
    """Seconds from sending the webhook until the first line has arrived, and what they went for."""
    from pipelines.runs.models import Attempt

    files = {".slipway.yml": _SPEC.format(image=here.image), "README": f"commit {number}\n"}
    movement = here.repository.push(files, f"commit {number}")
    payload = payloads.push(here.repository.origin, movement)
    sent_at, began = time.time(), time.perf_counter()
    deliver(here.webhook, "push", payload)
    attempt = until(lambda: Attempt.objects.filter(stage__run__sha=movement.after).first(), _RUN_SECONDS)
    with _opened(here, cookie) as socket:
        socket.send(json.dumps({"log": attempt.log_id, "from": 0}))
        while not isinstance(frame := socket.recv(_RUN_SECONDS), bytes):
            pass  # what begins is told before it prints
        seconds = time.perf_counter() - began
    if frame[16:] != b"the first line\n":
        raise RuntimeError(f"the log begins with {frame!r}")
    run = verdict_of(movement.after, _RUN_SECONDS)
    quiet(here)
    return seconds, _moments(sent_at, run, seconds)


def _moments(sent_at: float, run: "Run", seconds: float) -> dict[str, float]:
    """What was reached, each with the seconds since what was reached before it."""
    from pipelines.runs.models import Attempt

    attempt = Attempt.objects.get(stage__run=run)
    step = attempt.steps.get()
    told = [("stored", run.created_at), ("planned", run.started_at), ("claimed", attempt.started_at)]
    reached = [(name, at.timestamp()) for name, at in [*told, ("line stored", step.started_at)] if at is not None]
    points = [("", sent_at), *reached, ("line arrived", sent_at + seconds)]
    return {name: at - before for (_, before), (name, at) in pairwise(points)}


def _opened(here: Stand, cookie: str) -> ClientConnection:
    port = urlsplit(here.server.url).port
    url, headers = f"ws://127.0.0.1:{port}/ws/live/", {"Cookie": cookie}
    return connect(url, origin=Origin(here.server.url), additional_headers=headers, compression=None)


def _cookie() -> str:
    """A session of an operator."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("viewer"))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def _bare(here: Stand) -> float:
    began = time.perf_counter()
    command = ["docker", "run", "--rm", here.image, "echo", "the first line"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
