"""`make bench-webhook`: signed push deliveries a second, with all workers running; then with Redis frozen, and stopped.

Every delivery names a commit that is there and starts a run, which the workers plan while the next ones come; its one
stage is for another branch, because what containers take of the machine is not the webhook's.
The yardstick is a bare Django view under uvicorn that stores one row and checks nothing (`bench.bare`), under the same
load but on a machine that does nothing else.
"""

import contextlib
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import report
from bench.bare import bare_view
from bench.history import many_commits
from bench.load import CONNECTIONS, Answered, Delivery, load
from bench.stand import BRANCH, SECRET, Stand, stand, until, warm_up
from tests.lab import payloads
from tests.lab.payloads import Movement
from tests.lab.redis_server import OwnRedis

DELIVERIES = 2000
WARM_UP = 100
PER_SECOND_MIN = 300
P99_SECONDS_MAX = 0.3
_BACK_SECONDS = 15

_SPEC = "image: {image}\nstages:\n  build: {{steps: [echo build], when: {{branch: release}}}}\n"


def main() -> None:
    """Measure one state of Redis after the other, then the yardstick, and print."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as directory:
        with _redis(Path(directory)) as own, stand(REDIS_URL=own.url) as here:
            warm_up(here)
            phases = dict(_phases(here, own))
            once = _each_once(here)
        bare = _bare(Path(directory))
    rows = [_row(name, answered) for name, answered in [*phases.items(), ("bare Django view", bare)]]
    title = f"{DELIVERIES} signed pushes each, over {CONNECTIONS} connections; times in seconds"
    report.table(title, ["", "per second", "median", "p99", "most", "answers"], rows)
    demands = [_demand(name, answered) for name, answered in phases.items()]
    figure = report.Figure(phases["Redis runs"].per_second, bare.per_second)
    report.conclude(figure, [*demands, report.Demand("every delivery is one event and one run", once)])


def _phases(here: Stand, own: OwnRedis) -> Iterator[tuple[str, Answered]]:
    spec = {".slipway.yml": _SPEC.format(image=here.image)}
    commits = iter(many_commits(here.repository, spec, WARM_UP + 3 * DELIVERIES))
    _send(here, [next(commits) for _ in range(WARM_UP)])
    yield "Redis runs", _send(here, [next(commits) for _ in range(DELIVERIES)])
    own.freeze()
    yield "Redis frozen", _send(here, [next(commits) for _ in range(DELIVERIES)])
    own.thaw()
    own.stop()
    yield "Redis stopped", _send(here, [next(commits) for _ in range(DELIVERIES)])
    own.start()
    _await_more_plans()


@contextlib.contextmanager
def _redis(directory: Path) -> Iterator[OwnRedis]:
    """One that no supervisor starts again."""
    own = OwnRedis(directory, "--appendonly", "yes", "--logfile", str(directory / "redis.log"))
    own.start()
    try:
        yield own
    finally:
        own.stop()


def _send(here: Stand, moves: Sequence[Movement]) -> Answered:
    origin = here.repository.origin
    deliveries = [Delivery(str(uuid.uuid4()), payloads.push(origin, move)) for move in moves]
    return load(here.webhook.url, here.webhook.secret, deliveries)


def _bare(directory: Path) -> Answered:
    origin = payloads.Origin(1, "bench/bench", "/srv/bench.git")
    moves = [Movement(BRANCH, payloads.ZERO, f"{number:040x}", f"commit {number}") for number in range(DELIVERIES)]
    deliveries = [Delivery(str(uuid.uuid4()), payloads.push(origin, move)) for move in moves]
    with bare_view(directory) as url:
        load(url, SECRET, deliveries[:WARM_UP])
        return load(url, SECRET, deliveries)


def _each_once(here: Stand) -> bool:
    """As many events and runs as deliveries; of each commit exactly one run."""
    from pipelines.runs.models import Event, Run

    wanted = 1 + WARM_UP + 3 * DELIVERIES  # the first is of `warm_up`
    runs = list(Run.objects.values_list("sha", flat=True))
    return Event.objects.count() == wanted and len(runs) == wanted and len(set(runs)) == wanted


def _await_more_plans() -> None:
    """Now that Redis is back, what came meanwhile goes on. TimeoutError when it does not."""
    from pipelines.runs.models import Run

    before = Run.objects.exclude(status="queued").count()
    until(lambda: Run.objects.exclude(status="queued").count() > before or None, _BACK_SECONDS)


def _row(name: str, answered: Answered) -> tuple[object, ...]:
    times = (answered.percentile(50), answered.percentile(99), answered.seconds[-1])
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(answered.statuses.items()))
    return (name, round(answered.per_second), *times, statuses)


def _demand(name: str, answered: Answered) -> report.Demand:
    is_fast = answered.per_second >= PER_SECOND_MIN and answered.percentile(99) < P99_SECONDS_MAX
    limits = f"at least {PER_SECOND_MIN} a second and a p99 below {P99_SECONDS_MAX * 1000:.0f} ms"
    return report.Demand(f"{name}: {limits}, all answered 202", is_fast and answered.statuses.keys() == {"202"})


if __name__ == "__main__":
    main()
