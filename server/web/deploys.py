"""A deploy's page: waves, hosts in their phases, one host's log; and the button that cancels it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from pipelines.deploys import queries, requests, rollbacks
from pipelines.deploys.models import Deploy, HostDeploy, Phase
from pipelines.states.status import FINAL, Status, worst
from server import access
from server.access import Act
from server.web import durations, fetching, logs, permissions, sentences

CELLS = (
    (Phase.CHECKING, "check"),
    (Phase.UPLOADING, "upload"),
    (Phase.UPLOADED, "ready"),
    (Phase.SWITCHING, "switch"),
    (Phase.ACTIVATING, "activate"),
    (Phase.HEALTH, "health"),
)
_ORDER = list(Phase)
_BAD = (Status.FAILED, Status.ERRORED)
_INTEREST = (*_BAD, Status.RUNNING)  # whose log a person most likely wants


@dataclass(frozen=True, slots=True)
class Cell:
    """One of a host's six phases; `state` is done, now, bad or not yet."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class HostRow:
    row: HostDeploy
    cells: Sequence[Cell]
    seconds: float | None

    @property
    def word(self) -> str:
        """A running host's finer word."""
        return Phase(self.row.phase).label.lower() if self.row.status == Status.RUNNING else self.row.status


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts that are taken together; `number` counts from 1."""

    number: int
    hosts: Sequence[HostRow]
    status: str

    @property
    def done(self) -> int:
        return sum(host.row.status == Status.SUCCEEDED for host in self.hosts)


@login_required
def deploy(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.deploy(request, project, number)
    rows = list(found.hosts.all())
    row = _chosen(rows, request.GET.get("host", ""))
    page = {
        "deploy": found,
        "environment": found.environment,
        "project": found.environment.project,
        "sentence": sentences.hosts([row.status for row in rows]),
        "seconds": durations.so_far(found),
        "usual_seconds": queries.usual_seconds(found.environment),
        "waves": _waves(rows),
        "columns": [name for _, name in CELLS],
        "row": row,
        "shown": logs.shown(row.log, row.host.name) if row else logs.shown(found.log, "the deploy"),
        "plan": _plan(found),
        "way": _way_back(found),
        "not_allowed": permissions.of(request.user, found.environment.project),
        "subjects": f"deploy:{found.pk}",
    }
    return render(request, "deploy.html", page)


@login_required
@require_POST
def cancel(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.deploy(request, project, number, Act.CANCEL_DEPLOY)
    requests.cancel(found, access.actor(request.user))
    return redirect("deploy", project, number)


def _way_back(deploy: Deploy) -> queries.Way | None:
    """Offered where it is looked for: on the deploy that brought what is live, and on one that broke off halfway."""
    if not deploy.is_final or rollbacks.under_way(queries.waiting(deploy.environment)):
        return None
    way = queries.way_back(deploy.environment)
    is_live = deploy.status == Status.SUCCEEDED and deploy.environment.current_id == deploy.release_id
    return way if way and (is_live or deploy.pk in {row.deploy_id for row in way.strays}) else None


def _plan(deploy: Deploy) -> dict[str, object]:
    """What the deploy brings, and how carefully."""
    before = queries.configuration_before(deploy)
    changes = queries.changes(before.values if before else {}, deploy.configuration.values)
    spec = deploy.release.deploy_spec
    return {
        "before": before,
        "changes": changes,
        "waves": ", ".join(str(wave) for wave in spec.get("strategy", {}).get("waves", [])),
        "caution": requests.caution(deploy),
        "migrates": spec.get("migrate"),
    }


def _chosen(rows: Sequence[HostDeploy], name: str) -> HostDeploy | None:
    """The host asked for; else none when the deploy's own log is asked for; else what runs, what broke, the first."""
    if name == "-" or not rows:
        return None
    wanted = [row for row in rows if row.host.name == name]
    interesting = [row for status in _INTEREST for row in rows if row.status == status]
    return (wanted or interesting or list(rows))[0]


def _waves(rows: Sequence[HostDeploy]) -> list[Wave]:
    grouped = [(number, list(group)) for number, group in groupby(rows, lambda row: row.wave)]
    return [Wave(number + 1, [_host(row) for row in group], _wave_status(group)) for number, group in grouped]


def _wave_status(rows: Sequence[HostDeploy]) -> str:
    statuses = [row.status for row in rows]
    if all(status in FINAL for status in statuses):
        return worst(statuses)
    begun = Status.RUNNING in statuses or any(status in FINAL for status in statuses)
    return Status.RUNNING if begun else Status.PENDING


def _host(row: HostDeploy) -> HostRow:
    return HostRow(row, [Cell(name, _cell(row, phase)) for phase, name in CELLS], durations.so_far(row))


def _cell(row: HostDeploy, phase: Phase) -> str:
    at, here = _ORDER.index(Phase(row.phase)), _ORDER.index(phase)
    if here < at or row.status == Status.SUCCEEDED or (here == at and phase == Phase.UPLOADED):
        return "done"
    if here > at:
        return "not yet"
    return "bad" if row.status in _BAD else "now" if row.status == Status.RUNNING else "not yet"
