"""`make bench-pages`: every main page of a server with 100,000 runs in 50 projects on SQLite, as it runs for people.

The yardstick is a bare Django view under uvicorn that renders one template of fifty rows (`bench.bare`), asked by turns
with the pages, so that a busy machine slows both. Chromium tells when the run's page was first painted.
"""

import http.client
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bench import report
from bench.bare import bare_view
from tests.lab.ground import ground
from tests.lab.server import Server, server
from tests.lab.weights import scripts_kb

ROUNDS = 40
_WARM_UP = 3
P95_MS_MAX = 100
PAINT_MS_MAX = 500
SCRIPT_KB_MAX = 120
_PAINTS = 7

Ask = Callable[[str], float]


def main() -> None:
    """Make the past, ask for the pages and the yardstick by turns, paint, weigh, print."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as directory, ground() as here:
        state = Path(directory, "state")
        runs, cookie, paths = _past(state)
        with server(here, state) as running, bare_view(Path(directory)) as bare:
            seconds = _by_turns(running, bare.removesuffix("hook") + "page", cookie, paths)
            paints = _paints(running, cookie, paths["run"])
    yard = seconds.pop("bare Django view")
    rows = [_row(name, each, yard) for name, each in [*seconds.items(), ("bare Django view", yard)]]
    heads = ["", "median", "p95", "most", "times the bare view"]
    report.table(f"{runs:,} runs, {ROUNDS} rounds, in milliseconds", heads, rows)
    slow = {name: _p95(each) for name, each in seconds.items() if _p95(each) * 1000 >= P95_MS_MAX}
    worst = max(seconds, key=lambda name: _p95(seconds[name]))
    weight, paint = scripts_kb(), statistics.median(paints)
    print(f"\n  first paint of the run's page: median {paint:.0f} ms, most {max(paints):.0f} ms")
    demands = [
        report.Demand(f"p95 of {len(seconds)} pages below {P95_MS_MAX} ms, {_told(worst, seconds)}", not slow),
        report.Demand(f"first paint of the run's page {paint:.0f} ms, below {PAINT_MS_MAX}", paint < PAINT_MS_MAX),
        report.Demand(f"all JavaScript {weight:.1f} kB gzipped, below {SCRIPT_KB_MAX}", weight < SCRIPT_KB_MAX),
    ]
    report.conclude(report.Figure(_p95(seconds[worst]), _p95(yard)), demands)


def _past(state: Path) -> tuple[int, str, dict[str, str]]:
    """Fill a database in this state directory; the number of runs, an operator's cookie, the pages' addresses."""
    import django
    from django.core.management import call_command

    os.environ.update(DJANGO_SETTINGS_MODULE="server.settings", SLIPWAY_STATE_DIR=str(state))
    os.environ.update(SLIPWAY_LOG_LEVEL="ERROR", SLIPWAY_ALONE="1")
    django.setup()
    call_command("migrate", verbosity=0)
    from bench import addresses, past

    runs = past.build()
    return runs, addresses.cookie(), addresses.pages()


def _by_turns(running: Server, bare: str, cookie: str, paths: Mapping[str, str]) -> dict[str, list[float]]:
    """Page → seconds until its last byte, of each round."""
    asks = {name: (_asking(running.url, cookie), path) for name, path in paths.items()}
    asks["bare Django view"] = (_asking(bare, ""), urlsplit(bare).path)
    for _ in range(_WARM_UP):
        for ask, path in asks.values():
            ask(path)
    seconds: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(ROUNDS):
        for name, (ask, path) in asks.items():
            seconds[name].append(ask(path))
    return seconds


def _asking(url: str, cookie: str) -> Ask:
    """Asks over a connection of each question's own: a kept one is closed by the server when its next turn is late."""

    def ask(path: str) -> float:
        began = time.perf_counter()
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.request("GET", path, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return time.perf_counter() - began

    return ask


def _paints(running: Server, cookie: str, path: str) -> list[float]:
    """Milliseconds from the navigation until something was painted; each time with an empty cache."""
    from tests.browser.visitor import chromium, visit

    name, _, value = cookie.partition("=")
    painted = []
    with chromium() as browser:
        for _ in range(_PAINTS):
            visitor = visit(browser, running.url)
            visitor.context.add_cookies([{"name": name, "value": value, "url": running.url}])
            visitor.open(path)
            painted.append(visitor.first_paint_ms())
            visitor.context.close()
    return painted[1:]  # the first starts the browser's processes too


def _row(name: str, seconds: list[float], yard: list[float]) -> tuple[object, ...]:
    ratio = statistics.median(seconds) / statistics.median(yard)
    return (name, *(each * 1000 for each in (statistics.median(seconds), _p95(seconds), max(seconds))), ratio)


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95) - 1]


def _told(name: str, seconds: Mapping[str, list[float]]) -> str:
    return f"the slowest is {name} with {_p95(seconds[name]) * 1000:.0f}"


if __name__ == "__main__":
    main()
