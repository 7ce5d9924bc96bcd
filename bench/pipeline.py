"""`make bench-pipeline`: webhook to verdict for three stages of one `echo`, against three bare `docker run --rm`.

Ours has all that a push has: a signed delivery, the commit fetched from a repository and checked out into each stage,
the product's own network, every line and verdict stored. By turns, so that both have the same machine.
"""

import statistics
import subprocess
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from bench import report
from bench.stand import Stand, quiet, stand, turns, verdict_of, warm_up
from tests.lab import payloads
from tests.lab.webhooks import deliver

if TYPE_CHECKING:
    from pipelines.runs.models import Run

PAIRS = 15
MEASURE_SECONDS = 60
RATIO_MAX = 1.1
_RUN_SECONDS = 60

_SPEC = """\
image: {image}
stages:
  build: {{steps: ["echo build"]}}
  test: {{steps: ["echo test"]}}
  pack: {{steps: ["echo pack"]}}
"""


def main() -> None:
    """Measure in pairs and print."""
    with stand() as here:
        warm_up(here)
        ours, bare, moments = [], [], []
        _ours(here, -1)
        _bare(here)
        for number in turns(PAIRS, MEASURE_SECONDS):
            seconds, run = _ours(here, number)
            ours.append(seconds)
            bare.append(_bare(here))
            moments.append(_moments(run))
    figure = report.paired(ours, bare)
    rows = [(name, min(each), statistics.median(each), max(each)) for name, each in _rows(ours, bare)]
    report.table(f"{len(ours)} pairs by turns, in seconds", ["", "least", "median", "most"], rows)
    names = [name for name, _ in moments[0]]
    medians = [statistics.median(each[place][1] for each in moments) for place in range(len(names))]
    report.table("where ours goes, medians", ["until", "seconds"], list(zip(names, medians, strict=True)))
    sentence = f"ratio of the medians {figure.ratio:.2f}, at most {RATIO_MAX}"
    report.conclude(figure, [report.Demand(sentence, figure.ratio <= RATIO_MAX)])


def _rows(ours: list[float], bare: list[float]) -> list[tuple[str, list[float]]]:
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return [("webhook to verdict", ours), ("3 × docker run --rm", bare), ("ratio of each pair", ratios)]


def _ours(here: Stand, number: int) -> tuple[float, "Run"]:
    """Seconds from sending the webhook of a commit until its run's verdict can be read, and that run."""
    files = {".slipway.yml": _SPEC.format(image=here.image), "README": f"commit {number}\n"}
    movement = here.repository.push(files, f"commit {number}")
    payload = payloads.push(here.repository.origin, movement)
    began = time.perf_counter()
    deliver(here.webhook, "push", payload)
    run = verdict_of(movement.after, _RUN_SECONDS)
    seconds = time.perf_counter() - began
    if run.status != "succeeded":
        raise RuntimeError(f"the run ended as {run.status}: {run.reason}\n{here.server.log[-3000:]}")
    quiet(here)  # removing is not in the yardstick's way either
    return seconds, run


def _bare(here: Stand) -> float:
    began = time.perf_counter()
    for word in ("build", "test", "pack"):
        subprocess.run(["docker", "run", "--rm", here.image, "echo", word], check=True, capture_output=True)
    return time.perf_counter() - began


def _moments(run: "Run") -> list[tuple[str, float]]:
    """What was reached, each with the seconds since what was reached before it."""
    reached = [("stored", run.created_at), ("planned", run.started_at)]
    for stage in run.stages.order_by("position"):
        reached += [(f"{stage.name} begun", stage.started_at), (f"{stage.name} ended", stage.finished_at)]
    reached.append(("verdict", run.finished_at))
    told = [(name, at) for name, at in reached if at is not None]
    return [(name, (at - before).total_seconds()) for (_, before), (name, at) in pairwise(told)]


if __name__ == "__main__":
    main()
