"""The hosts of a deploy as its page shows them: wave by wave, each in its phases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pipelines.deploys.models import Deploy, HostDeploy, Phase, Waits
from pipelines.spec.installation import StrategySpec
from pipelines.states.status import BAD, FINAL, Status, worst
from server import durations
from server.sentences import counted

CELLS = (
    ("upload", (Phase.CHECKING, Phase.UPLOADING)),
    ("drain", (Phase.UPLOADED, Phase.DRAINING)),
    ("switch", (Phase.SWITCHING,)),
    ("activate", (Phase.ACTIVATING,)),
    ("health", (Phase.HEALTH,)),
    ("attach", (Phase.ATTACHING,)),
)
_ORDER = list(Phase)


@dataclass(frozen=True, slots=True)
class Cell:
    """One of a host's six phases; `state` is done, now, bad or not yet."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host in its lane; `before` and `after` are releases, `after` None while it has not been switched."""

    row: HostDeploy
    cells: Sequence[Cell]
    seconds: float | None
    before: int | None
    after: int | None

    @property
    def word(self) -> str:
        """A running host's finer word, and why another one is not done."""
        if self.row.unreachable:
            return "unreachable"
        return Phase(self.row.phase).label.lower() if self.row.status == Status.RUNNING else self.row.status


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts that are taken together; `number` counts from 1. `size` and `state` say in words how many and how far."""

    number: int
    hosts: Sequence[HostRow]
    status: str
    size: str
    state: str
    until: datetime | None = None

    @property
    def done(self) -> int:
        return sum(host.row.status == Status.SUCCEEDED for host in self.hosts)


def of(deploy: Deploy, rows: Sequence[HostDeploy], strategy: StrategySpec) -> list[Wave]:
    """`rows` in the order of their waves."""
    grouped = [list(group) for _, group in groupby(rows, lambda row: row.wave)]
    statuses = [_status([row.status for row in group], goes=deploy.status == Status.RUNNING) for group in grouped]
    baking = _baking(deploy, statuses)
    return [
        Wave(
            number=place + 1,
            hosts=[_host(deploy, row) for row in group],
            status=Status.BLOCKED if place == baking else statuses[place],
            size=_size(place, len(group), len(rows), strategy, len(grouped)),
            state=_state(deploy, place, group, statuses, strategy),
            until=deploy.waits_until if place == baking else None,
        )
        for place, group in enumerate(grouped)
    ]


def _baking(deploy: Deploy, statuses: Sequence[str]) -> int | None:
    """The wave that has come over and is being watched now."""
    if deploy.status != Status.BLOCKED or deploy.waits_for not in (Waits.BAKE, Waits.WATCH):
        return None
    done = [place for place, status in enumerate(statuses) if status in FINAL]
    return done[-1] if done else None


def _status(statuses: Sequence[str], *, goes: bool) -> str:
    """Of a wave that is not through: it runs while the deploy does; while that waits, what went wrong in it counts."""
    ended = [status for status in statuses if status in FINAL]
    if len(ended) == len(statuses) or (not goes and any(status in BAD for status in ended)):
        return worst(ended)
    begun = Status.RUNNING in statuses or ended
    return (Status.RUNNING if goes else Status.BLOCKED) if begun else Status.PENDING


def _size(place: int, hosts: int, total: int, strategy: StrategySpec, waves: int) -> str:
    asked = strategy.waves[min(place, len(strategy.waves) - 1)] if strategy.waves else "rest"
    told = [counted(hosts, "host")]
    if isinstance(asked, str) and asked.endswith("%"):
        told.append(f"{asked.rstrip('%').strip()} % of {total}")
    elif place == waves - 1 and place:
        told.append("the rest")
    if strategy.bake_seconds and place < waves - 1:
        told.append(f"then watched for {strategy.bake_seconds} s")
    return ", ".join(told)


def _state(
    deploy: Deploy, place: int, rows: Sequence[HostDeploy], statuses: Sequence[str], strategy: StrategySpec
) -> str:
    done = sum(row.status == Status.SUCCEEDED for row in rows)
    told = f"{done} of {len(rows)}"
    if place == _baking(deploy, statuses):
        return f"{told}, has to stay healthy"
    if deploy.is_final or statuses[place] != Status.PENDING or not place:
        return told
    if strategy.bake_seconds:
        return f"{told}, waits for wave {place} to stay healthy {strategy.bake_seconds} s"
    return f"{told}, waits for wave {place}"


def _host(deploy: Deploy, row: HostDeploy) -> HostRow:
    cells = [Cell(name, _cell(deploy, row, phases)) for name, phases in CELLS]
    before = deploy.replaces.number if deploy.replaces else None
    return HostRow(row, cells, durations.so_far(row), before, deploy.release.number if row.switched else None)


def _cell(deploy: Deploy, row: HostDeploy, phases: Sequence[Phase]) -> str:
    at, first, last = _ORDER.index(Phase(row.phase)), _ORDER.index(phases[0]), _ORDER.index(phases[-1])
    if at > last or row.status == Status.SUCCEEDED:
        return "done"
    if at < first:
        return "not yet"
    if row.status in BAD:
        return "bad"
    works = row.status == Status.RUNNING or (row.status == Status.PENDING and row.phase in CELLS[0][1])
    return "now" if works and deploy.status == Status.RUNNING else "not yet"
