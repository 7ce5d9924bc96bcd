"""How everything stands, at a glance: what the wall shows, in the order in which it matters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipelines.audit.actors import name_of
from pipelines.deploys.models import Deploy, Environment, Host
from pipelines.deploys.reads import live
from pipelines.deploys.reads import queries as deploys
from pipelines.deploys.reads.live import Live
from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs.queries import Line
from pipelines.states.status import Status
from server import sentences
from server.reads import fleets, queue
from server.reads.queue import Waiting
from server.reads.under_way import UnderWay, under_way

# At most so many are sent; the screen shows of them what it has room for, and the headings count all.
_TROUBLES = 12
_ROWS = 10
_TWO_COLUMNS = 5  # from so many on
_PLACES = 10


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is broken, in words that are read in passing; `note` says by whom or of what."""

    status: str
    name: str
    what: str
    since: datetime | None
    note: str
    is_production: bool = False


@dataclass(frozen=True, slots=True)
class Fine:
    """A project whose default branch is green, and when that was seen."""

    project: Project
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it, and the first of each that have room."""

    troubles: Sequence[Trouble]
    running: Sequence[UnderWay]
    waiting: Sequence[Waiting]
    fine: Sequence[Fine]
    untried: Sequence[Project]
    production: Sequence[Live]

    @property
    def title(self) -> str:
        if len(self.troubles) == 1:
            return "1 thing is broken"
        if self.troubles:
            return f"{len(self.troubles)} things are broken"
        return "Nothing is broken" if self.fine or self.running else "Nothing to show yet"

    @property
    def size(self) -> str:
        """How large what is broken is drawn."""
        sizes = ((2, "two"), (3, "three"), (8, "some"))
        return next((size for most, size in sizes if len(self.troubles) <= most), "many")

    @property
    def shown_troubles(self) -> Sequence[Trouble]:
        return self.troubles[:_TROUBLES]

    @property
    def shown_running(self) -> Sequence[UnderWay]:
        return self.running[:_ROWS]

    @property
    def shown_waiting(self) -> Sequence[Waiting]:
        return self.waiting[: _ROWS - len(self.shown_running)]

    @property
    def shown_fine(self) -> Sequence[Fine]:
        return self.fine[: 2 * _ROWS]

    @property
    def is_in_two(self) -> bool:
        """Whether what is fine stands in two columns."""
        return len(self.fine) > _TWO_COLUMNS

    @property
    def shown_production(self) -> Sequence[Live]:
        return self.production[:_PLACES]


def of(projects: Sequence[Project]) -> Standing:
    """In a bounded number of queries, however many projects."""
    lines = runs.lines(projects)
    running = [one for one in under_way(projects, lines) if one.is_at_work]
    waits = queue.waiting_in(projects, _ROWS, fleets.fleet())
    good = [project for project in projects if not lines[project.pk].is_broken]
    tried = [_fine(project, lines[project.pk]) for project in good if lines[project.pk].verdict]
    return Standing(
        troubles=_troubles(projects, lines),
        running=running,
        waiting=[*waits.people, *waits.ready, *waits.deploys],
        fine=sorted(tried, key=lambda one: one.project.name),
        untried=[project for project in good if not lines[project.pk].verdict],
        production=live.production(projects),
    )


def _fine(project: Project, line: Line) -> Fine:
    return Fine(project, line.verdict.finished_at if line.verdict else None)


def _troubles(projects: Sequence[Project], lines: Mapping[int, Line]) -> list[Trouble]:
    """Production first; then by name, so that nothing moves as long as nothing changes."""
    failed = {deploy.environment_id: deploy for deploy in deploys.broken(projects)}
    sick = live.unwell(projects)
    found = [_deploy(deploy) for deploy in failed.values()]
    found += [_hosts(place, hosts) for place, hosts in sick.items() if place.pk not in failed]
    found += [_branch(project, lines[project.pk]) for project in projects if lines[project.pk].is_broken]
    return sorted(found, key=lambda one: (not one.is_production, one.name))


def _deploy(deploy: Deploy) -> Trouble:
    place = deploy.environment
    what = f"{deploy.kind} of release {deploy.release.number}: {deploy.reason or 'no reason was noted'}"
    by = f"by {name_of(deploy.asked_by)}" if deploy.asked_by else "by itself"
    return Trouble(deploy.status, f"{place.project} {place.name}", what, deploy.finished_at, by, _is_production(place))


def _hosts(place: Environment, hosts: Sequence[Host]) -> Trouble:
    first = hosts[0]
    what = f"{first.name} {first.health_detail or 'is unhealthy'}"
    if len(hosts) > 1:
        what += f", {sentences.counted(len(hosts) - 1, 'other', 'others')} too"
    note = f"release {place.current.number}" if place.current else "nothing is live"
    return Trouble(Status.FAILED, f"{place.project} {place.name}", what, _first(hosts), note, _is_production(place))


def _branch(project: Project, line: Line) -> Trouble:
    verdict, since = line.verdict, line.broken_since
    assert verdict is not None
    assert since is not None
    what = f"{verdict.reason or 'without a reason'} on {project.default_branch}"
    by = f" · {since.author}" if since.author else ""
    return Trouble(verdict.status, project.name, what, since.finished_at, f"since run {since.number}{by}")


def _first(hosts: Iterable[Host]) -> datetime | None:
    return min((host.checked_at for host in hosts if host.checked_at), default=None)


def _is_production(place: Environment) -> bool:
    return place.is_production or place.name in ("production", "prod")
