"""`make bench-search`: names among 100,000 runs in 50 projects on SQLite, and how much of the logs one look reads.

The yardstick of the logs is what a bare loop reads of the same archives in a second: open, unpack, small letters, find.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report

if TYPE_CHECKING:
    from pipelines.projects.models import Project
    from pipelines.runs.models import Run

PROJECTS, RUNS, LOGS = 50, 100_000, 600
LOG_BYTES = 100_000
ROUNDS = 15
NAMES_MS_MAX = 250
_CHOICES = random.Random(7)  # noqa: S311  the same past each time
_WORDS = [
    "basket",
    "shelf",
    "order",
    "price",
    "voucher",
    "stock",
    "invoice",
    "warehouse",
    "delivery",
    "payment",
    "customer",
    "retry",
    "cache",
    "index",
]
_SAID = [
    "Collecting",
    "dependency",
    "resolved",
    "building",
    "wheel",
    "PASSED",
    "FAILED",
    "warning",
    "deprecated",
    "option",
    "tests",
    "assert",
]


def main() -> None:
    """Make the past, ask, print."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as state:
        _begin(Path(state))
        _past()
        names = {asked: _names(asked) for asked in ("basket", "a3f9", "Author 7", "4711", "nothing is called that")}
        heads = ["looked for", "median", "p95"]
        rows = [[asked, _median(took), _p95(took)] for asked, took in names.items()]
        report.table(f"names among {RUNS:,} runs, {ROUNDS} rounds, in milliseconds", heads, rows)
        ours, bare = _look(), _bare()
        report.table("logs, MB a second", ["", "MB/s"], [["one look", ours], ["a bare loop", bare]])
        slowest = max(_p95(took) for took in names.values())
        demands = [
            report.Demand(f"the slowest names at p95 {slowest:.0f} ms, below {NAMES_MS_MAX}", slowest < NAMES_MS_MAX),
            report.Demand(
                f"a look reads {ours:.0f} MB a second, at least half of a bare loop's {bare:.0f}", ours > bare / 2
            ),
        ]
        report.conclude(report.Figure(ours, bare), demands)


def _begin(state: Path) -> None:
    os.environ |= {"SLIPWAY_STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "server.settings", "SLIPWAY_ALONE": "1"}
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _past() -> None:
    """Runs with their authors and titles; the newest have a stage whose log is archived."""
    from pipelines.projects.models import Project
    from pipelines.runs.models import Run

    projects = [Project.objects.create(name=f"project-{n}", clone_url="/srv/git/x.git") for n in range(PROJECTS)]
    made = [_run(Run, projects[n % PROJECTS], n) for n in range(RUNS)]
    Run.objects.bulk_create(made, batch_size=1000)
    for run in list(Run.objects.order_by("-pk")[:LOGS])[::-1]:
        _print(run)


def _run(kind: "type[Run]", project: "Project", n: int) -> "Run":
    title = " ".join(_CHOICES.choice(_WORDS) for _ in range(6))
    sha = f"{_CHOICES.getrandbits(160):040x}"
    own = {"project": project, "number": n // PROJECTS + 1, "key": f"run {n}", "event_kind": "push", "sha": sha}
    words = {"ref": f"refs/heads/feature-{n % 300}", "title": title, "author": f"Author {n % 97}", "message": title * 5}
    return kind(**own, **words, status="succeeded")


def _print(run: "Run") -> None:
    from pipelines.logs import store
    from pipelines.runs.models import Attempt, Stage

    log = store.open_log()
    once = "".join(f"{n} {' '.join(_CHOICES.choice(_SAID) for _ in range(9))}\n" for n in range(100)).encode()
    store.append(log, (once * (LOG_BYTES // len(once) + 1))[:LOG_BYTES], LOG_BYTES)
    store.close(log)
    log.refresh_from_db()
    store.archive(log)
    stage = Stage.objects.create(run=run, name="test", position=0, spec={}, status="succeeded")
    Attempt.objects.create(stage=stage, number=1, log=log, status="succeeded")


def _names(asked: str) -> list[float]:
    from pipelines.finding import find
    from pipelines.projects.models import Project

    return _took(lambda: find(Project.objects.all(), asked))


def _look() -> float:
    """MB that one look for what nobody printed reads in a second."""
    from pipelines.finding import Kind, find
    from pipelines.projects.models import Project

    rates = []
    for _ in range(5):
        look = find(Project.objects.all(), "nobody printed that", {Kind.LOGS}).logs
        assert look is not None
        rates.append(look.bytes / look.seconds / 1e6)
    return statistics.median(rates)


def _bare() -> float:
    import gzip

    from django.core.files.storage import default_storage

    from pipelines.logs.models import Log

    names, read, began = list(Log.objects.order_by("-pk").values_list("archive", flat=True)), 0, time.perf_counter()
    for name in names:
        with default_storage.open(name) as stored:
            text = gzip.decompress(stored.read()).lower()
        read += len(text) if b"nobody printed that" not in text else 0
        if time.perf_counter() - began > 1:
            break
    return read / (time.perf_counter() - began) / 1e6


def _took(ask: Callable[[], object]) -> list[float]:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return seconds


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)] * 1000


if __name__ == "__main__":
    main()
