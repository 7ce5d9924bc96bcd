"""`make bench-log`: one stage that prints 10⁶ lines of 100 bytes, of which one in a thousand shows a secret, against a
bare `docker run` of the same. The stage is given ten secrets, each to be masked in all its forms; the text is of words,
so that it has every letter.

By turns. Ours counts from sending the webhook to the verdict; then the log is read back and compared byte by byte. The
yardstick's output goes to /dev/null. It begins when the server has also compressed the log of the run before it.
"""

import base64
import random
import re
import statistics
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.stand import Stand, stand, turns, until, verdict_of, warm_up
from tests.lab import payloads
from tests.lab.ground import processes_with
from tests.lab.webhooks import deliver

if TYPE_CHECKING:
    from pipelines.logs.models import Log
    from pipelines.runs.models import Run

PAIRS = 7
MEASURE_SECONDS = 60
RATIO_MAX = 1.3
SECRETS = 10
MEMORY_MB_MAX = 200
_RUN_SECONDS = 60
_LINES, _REPEATS, _LINE_BYTES = 1000, 1000, 100

_CHOICES = random.Random(7)  # noqa: S311  the same text each time; its secrets are nobody's
_SECRETS = {f"SECRET_{number}": _CHOICES.randbytes(18).hex() for number in range(SECRETS // 2)}
_SECRETS |= {f"TOKEN_{number}": base64.b64encode(_CHOICES.randbytes(21)).decode() for number in range(SECRETS // 2)}


def _line(number: int) -> str:
    """Of exactly _LINE_BYTES; the first one shows a secret."""
    shown = f"key={next(iter(_SECRETS.values()))} " if not number else ""
    words = " ".join(_CHOICES.choice(_WORDS) for _ in range(20))
    return f"{number:04d} {shown}{words}"[: _LINE_BYTES - 1].ljust(_LINE_BYTES - 1) + "\n"


_WORDS = """\
Collecting dependency resolved from cache; WARNING: deprecated option --quiet, use [LOG_LEVEL=2] Building wheel for
'zstd-0.9.1' (pyproject.toml) ... OK! GET https://example.org/Packages/q?x=7&y=JSON HTTP/1.1 304 12ms Kernel Vx
""".split()  # noqa: SIM905  easier to read as a text
_TEXT = "".join(map(_line, range(_LINES)))
_MASKED = _TEXT.replace(next(iter(_SECRETS.values())), "***")
_PRINT = f"cat $(yes lines | head -n {_REPEATS})"
_SPEC = f"image: {{image}}\nstages:\n  print: {{{{secrets: [{', '.join(_SECRETS)}], steps: ['{_PRINT}']}}}}\n"


def main() -> None:
    """Measure in pairs and print."""
    with stand() as here:
        warm_up(here)
        _give_secrets()
        ours, bare = [], []
        for number in turns(PAIRS, MEASURE_SECONDS):
            ours.append(_ours(here, number))
            bare.append(_bare(here))
        memory = max(map(_peak_mb, processes_with(f"SLIPWAY_STATE_DIR={here.server.state}")), default=0.0)
    figure = report.paired(ours, bare)
    rows = [(name, min(each), statistics.median(each), max(each)) for name, each in _rows(ours, bare)]
    printed = f"{_LINES * _REPEATS:,} lines of {_LINE_BYTES} bytes, {SECRETS} secrets"
    report.table(f"{printed}, {len(ours)} pairs by turns, in seconds", ["", "least", "median", "most"], rows)
    demands = [
        report.Demand(f"ratio of the medians {figure.ratio:.2f}, at most {RATIO_MAX}", figure.ratio <= RATIO_MAX),
        report.Demand(
            f"every line is stored, {len(ours)} times {_LINES * _REPEATS:,}", True
        ),  # else it had ended before
        report.Demand(f"a stage worker's peak is {memory:.0f} MB, below {MEMORY_MB_MAX}", 0 < memory < MEMORY_MB_MAX),
    ]
    report.conclude(figure, demands)


def _give_secrets() -> None:
    from pipelines.projects.models import Project, Secret

    for name, value in _SECRETS.items():
        Secret.objects.create(project=Project.objects.get(), name=name, value=value)


def _rows(ours: list[float], bare: list[float]) -> list[tuple[str, list[float]]]:
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return [("webhook to verdict", ours), ("docker run --rm", bare), ("ratio of each pair", ratios)]


def _ours(here: Stand, number: int) -> float:
    """Seconds from the webhook to the verdict; RuntimeError when the stored log is not what was printed."""
    files = {".slipway.yml": _SPEC.format(image=here.image), "lines": _TEXT, "README": f"commit {number}\n"}
    movement = here.repository.push(files, f"commit {number}")
    payload = payloads.push(here.repository.origin, movement)
    began = time.perf_counter()
    deliver(here.webhook, "push", payload)
    run = verdict_of(movement.after, _RUN_SECONDS)
    seconds = time.perf_counter() - began
    _check(run)
    return seconds


def _check(run: "Run") -> None:
    from pipelines.logs import store
    from pipelines.runs.models import Attempt

    log = Attempt.objects.get(stage__run=run).log
    if run.status != "succeeded" or not _is_whole(store.read(log)):
        raise RuntimeError(f"the run ended as {run.status}: {run.reason}; its log has {log.size} bytes")
    until(lambda: _archived(log), _RUN_SECONDS)
    if not _is_whole(store.read(log)):
        raise RuntimeError("the compressed log is not what was printed")


def _archived(log: "Log") -> bool | None:
    log.refresh_from_db()
    return bool(log.archive) or None


def _is_whole(pieces: Iterable[bytes]) -> bool:
    return b"".join(pieces) == _MASKED.encode() * _REPEATS


def _bare(here: Stand) -> float:
    place = ["-v", f"{here.repository.work}:/workspace:ro", "-w", "/workspace"]
    began = time.perf_counter()
    command = ["docker", "run", "--rm", *place, here.image, "sh", "-c", _PRINT]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _peak_mb(pid: int) -> float:
    """The most memory that a stage worker has had; 0 for other processes."""
    if b"worker\0stage" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
