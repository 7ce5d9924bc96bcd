"""`make bench-rollback`: one click brings the release before it back to 20 hosts; from the request to the verdict.

The server runs as people run it; its own deploy worker does it, and every host is asked for its health.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.records import add_environment, add_release, archive
from bench.stand import stand, turns, until
from tests.lab.sshd import running_fleet

if TYPE_CHECKING:
    from pipelines.deploys.models import Deploy, Release

HOSTS = 20
SIZE = 1024 * 1024
ROLLBACKS = 7
MEASURE_SECONDS = 60
SECONDS_MAX = 5.0
_DEPLOY_SECONDS = 120
_SECTION = {
    "strategy": {"waves": ["rest"], "parallel": HOSTS, "max_failures": 0},
    "activate": "echo $SLIPWAY_RELEASE > ../../active",
    "health": {"command": 'test "$(cat ../../active)" = "$SLIPWAY_RELEASE"', "timeout_seconds": 10},
}


def main() -> None:
    """Deploy two releases, then go back and forth between them."""
    with tempfile.TemporaryDirectory(prefix="slipway-hosts-") as directory, stand():
        from pipelines.deploys import credentials
        from pipelines.deploys.rollbacks import roll_back
        from tests import factories

        key = credentials.generate("bench")
        with running_fleet(Path(directory), HOSTS, private_key=key.private, public_key=key.public) as servers:
            environment = add_environment(servers, HOSTS)
            releases = [add_release(environment, archive(SIZE), **_SECTION) for _ in range(2)]
            for release in releases:
                _finished(factories.make_deploy(environment, release))
            taken = []
            for number in turns(ROLLBACKS, MEASURE_SECONDS):
                environment.refresh_from_db()
                taken.append(_timed(partial(roll_back, environment, releases[number % 2], "bench")))
                _lift(releases)
    rows = [("request to verdict", min(taken), statistics.median(taken), max(taken))]
    report.table(f"{HOSTS} hosts, {len(taken)} rollbacks, in seconds", ["", "least", "median", "most"], rows)
    figure = report.Figure(statistics.median(taken), SECONDS_MAX)
    sentence = f"the median rollback takes {figure.ours:.1f} s, at most {SECONDS_MAX:g} s"
    report.conclude(figure, [report.Demand(sentence, figure.ours <= SECONDS_MAX)])


def _timed(ask: Callable[[], "Deploy"]) -> float:
    began = time.perf_counter()
    _finished(ask())
    return time.perf_counter() - began


def _finished(deploy: "Deploy") -> None:
    """Wait until the server's worker has brought it everywhere."""
    from pipelines.deploys.models import Deploy

    rows = Deploy.objects.filter(pk=deploy.pk).exclude(finished_at=None)
    ended = until(rows.first, _DEPLOY_SECONDS)
    if ended.status != "succeeded":
        raise RuntimeError(f"the deploy ended as {ended.status}: {ended.reason}")


def _lift(releases: "list[Release]") -> None:
    """A rollback quarantines what it goes back from; the next one is to go there again."""
    from pipelines.deploys.models import Release

    Release.objects.filter(pk__in=[release.pk for release in releases]).update(quarantined_at=None)


if __name__ == "__main__":
    main()
