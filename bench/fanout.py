"""`make bench-fanout`: a release of 1 MB to 200 hosts, against a bare pool of as many paramiko connections at once.

Ours has all that a deploy has: pre-flight on all hosts before any is changed, the host's lock, the digest checked, a
switch without a gap, a marker, every step in the records. The hosts are real sshd, each with its own address, key and
/srv. Also against ansible-core with its own best settings, by the CPU that the client takes for a host.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import playbook, pool, report
from bench.records import add_environment, add_release, archive, records
from bench.stand import turns
from tests.lab.sshd import Sshd, running_fleet

if TYPE_CHECKING:
    from pipelines.deploys.models import Environment

HOSTS = 200
THREADS = 16
SIZE = 1024 * 1024
PAIRS = 5
MEASURE_SECONDS = 240
RATIO_MAX = 1.25
CPU_SHARE_MAX = 0.25
ANSIBLE_HOSTS = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """What one deploy to all hosts took, in seconds; `cpu` is the client's alone."""

    wall: float
    cpu: float


def main() -> None:
    """Measure in pairs and print."""
    hosts = _asked("--hosts=", HOSTS)
    with tempfile.TemporaryDirectory(prefix="slipway-hosts-") as directory, records():
        from pipelines.deploys import credentials

        key = credentials.generate("bench")
        with running_fleet(Path(directory), hosts, private_key=key.private, public_key=key.public) as servers:
            data = archive(SIZE)
            ours, bare = _pairs(servers, data)
            their = playbook.bring(Path(directory), servers[:ANSIBLE_HOSTS], data)
    _conclude(ours, bare, their / min(ANSIBLE_HOSTS, hosts), hosts)


def _pairs(servers: Sequence[Sshd], data: bytes) -> tuple[list[Cost], list[Cost]]:
    environment = add_environment(servers, THREADS)
    ours, bare = [], []
    _ours(environment, data)
    pool.bring(servers, data, 1000, THREADS)
    for number in turns(_asked("--pairs=", PAIRS), MEASURE_SECONDS):
        ours.append(_ours(environment, data))
        bare.append(_measured(partial(pool.bring, servers, data, number, THREADS)))
    return ours, bare


def _ours(environment: "Environment", data: bytes) -> Cost:
    """From the claim to the verdict, as a deploy worker does it."""
    from pipelines.deploys import lifecycle
    from runners.hosts import deploy as story
    from tests import factories

    strategy = {"waves": ["rest"], "parallel": THREADS, "max_failures": 0}
    deploy = factories.make_deploy(environment, add_release(environment, data, strategy=strategy))
    cost = _measured(lambda: story.run(lifecycle.claim_deploy(deploy.pk, "bench")))
    deploy.refresh_from_db()
    if deploy.status != "succeeded":
        raise RuntimeError(f"the deploy ended as {deploy.status}: {deploy.reason}")
    return cost


def _measured(act: Callable[[], None]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def _conclude(ours: Sequence[Cost], bare: Sequence[Cost], their_cpu: float, hosts: int) -> None:
    ratios = [one.wall / other.wall for one, other in zip(ours, bare, strict=True)]
    rows = [
        ("ours, seconds", *_spread([cost.wall for cost in ours])),
        ("bare pool, seconds", *_spread([cost.wall for cost in bare])),
        ("ratio of each pair", *_spread(ratios)),
        ("ours, client's CPU per host, ms", *_spread([cost.cpu / hosts * 1000 for cost in ours])),
        ("bare pool, client's CPU per host, ms", *_spread([cost.cpu / hosts * 1000 for cost in bare])),
    ]
    report.table(f"{hosts} hosts, {THREADS} at once, {len(ours)} pairs by turns", ["", "least", "median", "most"], rows)
    mine = statistics.median(cost.cpu for cost in ours) / hosts
    report.table(
        f"the client's CPU per host, {ANSIBLE_HOSTS} hosts for Ansible",
        ["", "ms"],
        [("ours", mine * 1000), (playbook.NAME, their_cpu * 1000)],
    )
    figure = report.paired([cost.wall for cost in ours], [cost.wall for cost in bare])
    ratio = statistics.median(ratios)
    demands = [
        report.Demand(f"median ratio to the bare pool {ratio:.2f}, at most {RATIO_MAX}", ratio <= RATIO_MAX),
        report.Demand(
            f"{mine / their_cpu:.2f} of the client's CPU that Ansible takes, at most {CPU_SHARE_MAX}",
            mine <= CPU_SHARE_MAX * their_cpu,
        ),
    ]
    report.conclude(figure, demands)


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def _asked(option: str, default: int) -> int:
    given = [argument.removeprefix(option) for argument in sys.argv[1:] if argument.startswith(option)]
    return int(given[-1]) if given else default


if __name__ == "__main__":
    main()
