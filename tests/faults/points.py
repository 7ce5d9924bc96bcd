"""The moments at which a process is killed: one row each, and the only place to add one."""

from dataclasses import dataclass
from enum import StrEnum


class When(StrEnum):
    """On which side of the call the process dies."""

    BEFORE = "before"
    AFTER = "after"


class Work(StrEnum):
    """What the run at hand does: see work.py."""

    PASSES = "passes"
    FAILS = "fails"
    STOPPED = "stopped"
    CHAINS = "chains"
    SHIPS = "ships"
    BREAKS = "breaks"
    BAKES = "bakes"


@dataclass(frozen=True, slots=True)
class Point:
    """`process` kills itself at the `nth` call of `target` that belongs to the run whose commit is titled `name`, and
    to this `stage` of it, if one is named."""

    name: str
    process: str
    when: When
    target: str
    work: Work = Work.PASSES
    nth: int = 1
    is_short: bool = True
    """Whether it belongs to every run of the suite, and not only to the long one."""
    stage: str = ""


_B, _A = When.BEFORE, When.AFTER
_DOCKER = "runners.containers.docker.DockerExecutor"
_RUNS = "pipelines.runs.lifecycle"
_DEPLOYS = "pipelines.deploys.lifecycle"
_LANE = "runners.hosts.lane.Lane"
_FAILS, _SHIPS, _BREAKS, _CHAINS, _BAKES = Work.FAILS, Work.SHIPS, Work.BREAKS, Work.CHAINS, Work.BAKES
_GO = "runners.containers.streams.Live.go"

POINTS = (
    Point("webhook stored, nobody rung", "web", _B, "runners.queue.bell.Bell.ring"),
    Point("rung, not planned", "control", _B, "runners.planning.plan"),
    Point("fetched, not planned", "control", _A, "runners.checkout.Mirror.fetch", is_short=False),
    Point("planned, not settled", "control", _B, f"{_RUNS}.settle"),
    Point("rung, not claimed", "stage", _B, f"{_RUNS}.claim_stage", is_short=False),
    Point("claimed, no container", "stage", _A, f"{_RUNS}.claim_stage"),
    Point("container created, not noted", "stage", _A, f"{_DOCKER}.create"),
    Point("container created, not started", "stage", _B, f"{_DOCKER}.start", is_short=False),
    Point("container started, not filled", "stage", _A, f"{_DOCKER}.start"),
    Point("container filled, not noted", "stage", _A, "runners.containers.preparation.open_container", is_short=False),
    Point("container noted, not let go", "stage", _B, _GO, is_short=False),
    Point("container let go, nothing heard", "stage", _A, _GO),
    Point("next container made, not claimed", "stage", _A, "runners.containers.ahead._make", _CHAINS),
    Point("next container being made", "stage", _B, f"{_DOCKER}.put", _CHAINS, nth=2, is_short=False),
    Point("next container taken, not let go", "stage", _B, _GO, _CHAINS, stage="work"),
    Point("next container let go, nothing heard", "stage", _A, _GO, _CHAINS, is_short=False, stage="work"),
    Point("a chunk written, not committed", "stage", _A, "pipelines.logs.store.append", _FAILS, nth=2),
    Point("between two chunks", "stage", _A, "pipelines.runs.output.append", nth=2, is_short=False),
    Point("one of two artifacts stored", "stage", _A, "runners.artifacts._collect"),
    Point("container ended, no verdict", "stage", _B, f"{_RUNS}.finish_attempt", _FAILS),
    Point("cancelled, container told to end", "stage", _A, f"{_DOCKER}.terminate", Work.STOPPED, is_short=False),
    Point("verdict, run not settled", "stage", _B, f"{_RUNS}.settle", _FAILS, is_short=False),
    Point("verdict, container not removed", "stage", _B, "runners.containers.clearing.Clearing.later"),
    Point("run green, no release", "control", _B, "pipelines.deploys.releases.release", _SHIPS, is_short=False),
    Point("release cut", "control", _A, "pipelines.deploys.releases.release", _SHIPS),
    Point("deploy claimed", "deploy", _A, f"{_DEPLOYS}.claim_deploy", _SHIPS, is_short=False),
    Point("hosts listed, not frozen", "deploy", _A, "pipelines.deploys.admission.admit", _SHIPS, is_short=False),
    Point("hosts frozen", "deploy", _A, f"{_DEPLOYS}.freeze", _SHIPS, is_short=False),
    Point("one host asked", "deploy", _A, f"{_LANE}.preflight", _SHIPS, is_short=False),
    Point("one host uploaded to", "deploy", _A, f"{_LANE}.upload", _SHIPS),
    Point("while migrating", "deploy", _A, "runners.hosts.hostlog.HostLog._store", _SHIPS),
    Point("migrated, not noted", "deploy", _B, f"{_DEPLOYS}.note_migrated", _SHIPS),
    # 2 hosts asked, 2 uploaded to with a note before and after, a migration begun, a switch announced: it is made.
    Point("link switched, not noted", "deploy", _B, f"{_LANE}.note", _SHIPS, nth=9),
    Point("activated", "deploy", _B, "runners.hosts.lane.wait_until_healthy", _SHIPS, nth=2, is_short=False),
    Point("healthy, no verdict", "deploy", _B, f"{_DEPLOYS}.finish_host", _SHIPS, is_short=False),
    Point("one of two hosts done", "deploy", _A, f"{_DEPLOYS}.finish_host", _SHIPS, is_short=False),
    Point("waits, and its worker dies", "deploy", _A, "pipelines.deploys.waits.wait", _BAKES),
    Point("goes on, nobody asked", "deploy", _A, f"{_DEPLOYS}.claim_deploy", _BAKES, nth=2, is_short=False),
    Point("baked, not noted", "deploy", _B, f"{_DEPLOYS}.note_baked", _BAKES),
    Point("baked, next wave not begun", "deploy", _A, f"{_DEPLOYS}.note_baked", _BAKES, is_short=False),
    Point("all hosts done, no verdict", "deploy", _B, f"{_DEPLOYS}.finish_deploy", _SHIPS, is_short=False),
    Point("deploy failed, rollback not begun", "deploy", _A, f"{_DEPLOYS}.finish_deploy", _BREAKS),
)
