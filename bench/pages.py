"""`make bench-pages`: every main page of a server with 100,000 runs in 50 projects on SQLite, as it runs for people.

The yardstick is a bare Django view under uvicorn that renders one template of fifty rows (`bench.bare`), asked by turns
with the pages, so that a busy machine slows both. Beside each page's time stands that of the processor, which a busy
machine hardly changes. Chromium tells when the run's page was first painted, and when that of the bare view was: so
much of it is Chromium's own.
"""

import http.client
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench import report
from bench.bare import bare_view
from bench.processors import processor_of
from tests.lab.ground import ground
from tests.lab.server import server
from tests.lab.weights import scripts_kb

ROUNDS = 40
_WARM_UP = 3
P95_MS_MAX = 100
PAINT_MS_MAX = 500
SCRIPT_KB_MAX = 120
_PAINTS = 7
_BARE = "bare Django view"

Ask = Callable[[], float]


@dataclass(slots=True)
class Took:
    """Of each round the seconds until the page's last byte, and those of them that the server's process was busy."""

    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.95) - 1] * 1000


def main() -> None:
    """Make the past, ask for the pages and the yardstick by turns, paint, weigh, print."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as directory, ground() as here:
        state = Path(directory, "state")
        runs, cookie, paths = _past(state)
        with server(here, state) as running, bare_view(Path(directory)) as hook:
            bare = hook.removesuffix("hook") + "page"
            took = _by_turns({name: running.url + path for name, path in paths.items()} | {_BARE: bare}, cookie)
            paints = _paints(running.url + paths["run"], cookie)
            own = statistics.median(_paints(bare, cookie))
    yard = took[_BARE]
    heads = ["", "median", "p95", "most", "times the bare view", "processor", "times the bare view"]
    rows = [_row(name, each, yard) for name, each in took.items()]
    report.table(f"{runs:,} runs, {ROUNDS} rounds, in milliseconds", heads, rows)
    del took[_BARE]
    worst = max(took, key=lambda name: took[name].p95_ms)
    weight, paint = scripts_kb(), statistics.median(paints)
    print(
        f"\n  first paint of the run's page: median {paint:.0f} ms, most {max(paints):.0f} ms; bare view {own:.0f} ms"
    )
    slowest = f"p95 of {len(took)} pages below {P95_MS_MAX} ms, the slowest is {worst} with {took[worst].p95_ms:.0f}"
    demands = [
        report.Demand(slowest, took[worst].p95_ms < P95_MS_MAX),
        report.Demand(f"first paint of the run's page {paint:.0f} ms, below {PAINT_MS_MAX}", paint < PAINT_MS_MAX),
        report.Demand(f"all JavaScript {weight:.1f} kB gzipped, below {SCRIPT_KB_MAX}", weight < SCRIPT_KB_MAX),
    ]
    report.conclude(report.Figure(took[worst].p95_ms / 1000, yard.p95_ms / 1000), demands)


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


def _by_turns(urls: Mapping[str, str], cookie: str) -> dict[str, Took]:
    """What each page took, in every round."""
    asks = {name: (_asking(url, cookie), processor_of(url)) for name, url in urls.items()}
    for _ in range(_WARM_UP):
        for ask, _processor in asks.values():
            ask()
    took = {name: Took() for name in urls}
    for _ in range(ROUNDS):
        for name, (ask, processor) in asks.items():
            before = processor.seconds
            took[name].seconds.append(ask())
            took[name].busy.append(processor.seconds - before)
    return took


def _asking(url: str, cookie: str) -> Ask:
    """Asks over a connection of each question's own: a kept one is closed by the server when its next turn is late."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path

    def ask() -> float:
        began = time.perf_counter()
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        connection.request("GET", path, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return time.perf_counter() - began

    return ask


def _paints(url: str, cookie: str) -> list[float]:
    """Milliseconds from the navigation until something was painted; each time in a window of its own, with nothing in
    its cache, in which Chromium starts a process for the page."""
    from tests.browser.visitor import chromium, visit

    parts, (name, _, value) = urlsplit(url), cookie.partition("=")
    site, painted = f"{parts.scheme}://{parts.netloc}", []
    with chromium() as browser:
        for _ in range(_PAINTS):
            visitor = visit(browser, site)
            visitor.context.add_cookies([{"name": name, "value": value, "url": site}])
            visitor.open(parts.path)
            painted.append(visitor.first_paint_ms())
            visitor.context.close()
    return painted[1:]  # the first starts the browser's processes too


def _row(name: str, took: Took, yard: Took) -> tuple[object, ...]:
    median, busy = statistics.median(took.seconds), statistics.median(took.busy)
    times = median / statistics.median(yard.seconds), busy / statistics.median(yard.busy)
    told = (median * 1000, took.p95_ms, max(took.seconds) * 1000, times[0], busy * 1000, times[1])
    return (name, *told)


if __name__ == "__main__":
    main()
