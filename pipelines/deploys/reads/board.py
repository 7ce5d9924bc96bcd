"""Who runs what: every environment of many projects at once, and what would change if its newest release went there."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Max, Q
from django.utils import timezone

from pipelines.deploys import rules
from pipelines.deploys.models import Configuration, Deploy, Environment, Freeze, Host, Lock, Release
from pipelines.deploys.protection import freezes
from pipelines.deploys.reads import commits
from pipelines.deploys.reads.commits import Commits
from pipelines.deploys.reads.newest import brought_live
from pipelines.deploys.reads.queries import Change, changes
from pipelines.projects.models import Project
from pipelines.states.status import UNFINISHED

LOOK_BACK = 60  # newest releases of a project, among which the next one is looked for


@dataclass(frozen=True, slots=True)
class Next:
    """What would change if the newest release that an environment takes were deployed there now."""

    release: Release
    commits: Commits
    changes: Sequence[Change]
    migrates: bool
    irreversible: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An environment on the board; `since` is when what is live became so, `unfinished` what waits or runs there."""

    environment: Environment
    since: datetime | None
    by: str
    hosts: Sequence[Host]
    next: Next | None
    unfinished: Sequence[Deploy]
    locks: Sequence[Lock]
    freezes: Sequence[tuple[Freeze, datetime]]

    @property
    def healthy(self) -> int:
        return sum(host.healthy is True for host in self.hosts)

    @property
    def unhealthy(self) -> Sequence[Host]:
        return [host for host in self.hosts if host.healthy is False]

    @property
    def drifted(self) -> Sequence[Host]:
        return [host for host in self.hosts if host.drift]

    @property
    def others(self) -> Sequence[Host]:
        """Hosts that run something else than what is live."""
        return [host for host in self.hosts if host.release_id and host.release_id != self.environment.current_id]

    @property
    def under_way(self) -> Deploy | None:
        return next((deploy for deploy in self.unfinished if deploy.started_at), None)

    @property
    def waits(self) -> int:
        return sum(deploy.started_at is None for deploy in self.unfinished)


def places(projects: Collection[Project]) -> list[Place]:
    """All their environments, by name of the project and of their own, in thirteen queries."""
    of = {project.pk: project for project in projects}
    found = Environment.objects.filter(project__in=projects).select_related("current", "after")
    environments = list(found.order_by("project__name", "name"))
    for one in environments:
        one.project = of[one.project_id]  # joined, its secrets would be decrypted for every row
    return of_environments(environments)


def of_environments(environments: Sequence[Environment]) -> list[Place]:
    """These, in their order, as `places` gives them: in twelve queries."""
    hosts, live, waits = _hosts(environments), _live(environments), _unfinished(environments)
    coming = _next(environments, live)
    locks = _held(environments)
    frozen = _frozen(environments)
    return [
        Place(
            environment=one,
            since=live[one.pk].finished_at if one.pk in live else None,
            by=live[one.pk].asked_by if one.pk in live else "",
            hosts=hosts.get(one.pk, []),
            next=coming.get(one.pk),
            unfinished=waits.get(one.pk, []),
            locks=locks[one.pk],
            freezes=frozen[one.pk],
        )
        for one in environments
    ]


def concerns(one: Lock | Freeze, environment: Environment) -> bool:
    """Whether it is of this environment, of its project, or of the whole server."""
    if one.environment_id is not None:
        return one.environment_id == environment.pk
    return one.project_id in (None, environment.project_id)


def _hosts(environments: Sequence[Environment]) -> Mapping[int, list[Host]]:
    found: dict[int, list[Host]] = defaultdict(list)
    here = Host.objects.filter(environment__in=environments, gone_at=None)
    rows = list(here.defer("facts").order_by("name"))
    ran = Release.objects.defer("deploy_spec").in_bulk({host.release_id for host in rows if host.release_id})
    for host in rows:
        host.release = ran[host.release_id] if host.release_id else None  # joined, each would be made for each host
        found[host.environment_id].append(host)
    return found


def _live(environments: Sequence[Environment]) -> Mapping[int, Deploy]:
    """Environment id → the deploy that brought what is live."""
    return brought_live(Environment.objects.filter(pk__in=[one.pk for one in environments]))


def _unfinished(environments: Sequence[Environment]) -> Mapping[int, list[Deploy]]:
    found: dict[int, list[Deploy]] = defaultdict(list)
    rows = Deploy.objects.filter(environment__in=environments, status__in=UNFINISHED, finished_at=None)
    for deploy in rows.select_related("release").order_by(F("started_at").asc(nulls_last=True), "-priority", "pk"):
        found[deploy.environment_id].append(deploy)
    return found


def _next(environments: Sequence[Environment], live: Mapping[int, Deploy]) -> Mapping[int, Next]:
    newest = _newest({place.project_id for place in environments})
    chosen = {place: _choose(place, newest.get(place.project_id, [])) for place in environments}
    releases = Release.objects.in_bulk([pk for pk in chosen.values() if pk])
    wanted = [(place, releases[pk]) for place, pk in chosen.items() if pk]
    between = commits.of_pairs([(place.current, release) for place, release in wanted])
    values = _values(environments)
    return {
        place.pk: Next(
            release=release,
            commits=told,
            changes=changes(live[place.pk].configuration.values if place.pk in live else {}, values.get(place.pk, {})),
            migrates=bool(release.deploy_spec.get("migrate")),
            irreversible=bool(release.deploy_spec.get("irreversible")),
        )
        for (place, release), told in zip(wanted, between, strict=True)
    }


_Ranked = tuple[int, int, str]  # a release's id, number and ref: of the many that are looked at few are shown


def _newest(projects: Collection[int]) -> Mapping[int, list[_Ranked]]:
    newest = Release.objects.filter(
        project__in=projects, quarantined_at=None, number__gte=F("project__next_release_number") - LOOK_BACK
    )
    found: dict[int, list[_Ranked]] = defaultdict(list)
    for project, pk, number, ref in newest.order_by("-number").values_list("project", "pk", "number", "ref"):
        found[project].append((pk, number, ref))
    return found


def _choose(place: Environment, releases: Sequence[_Ranked]) -> int | None:
    """The id of the newest that the environment takes, when that is newer than what is live."""
    allowed = ((pk, number) for pk, number, ref in releases if rules.takes(place.ref_pattern, ref))
    pk, number = next(allowed, (None, 0))
    return None if place.current and number <= place.current.number else pk


def _values(environments: Sequence[Environment]) -> Mapping[int, dict[str, str]]:
    """Environment id → the plain values of its newest configuration."""
    of_these = Configuration.objects.filter(environment__in=environments)
    last = of_these.values("environment").annotate(last=Max("pk")).values("last")
    return {row.environment_id: row.values for row in Configuration.objects.filter(pk__in=last)}


def _concerned(environments: Sequence[Environment]) -> Q:
    projects = {place.project_id for place in environments}
    alone = Q(environment=None)
    return Q(environment__in=environments) | (alone & Q(project__in=projects)) | (alone & Q(project=None))


def _held(environments: Sequence[Environment]) -> Mapping[int, list[Lock]]:
    in_force = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    held = list(Lock.objects.filter(in_force, _concerned(environments), released_at=None).order_by("pk"))
    return {place.pk: [lock for lock in held if concerns(lock, place)] for place in environments}


def _frozen(environments: Sequence[Environment]) -> Mapping[int, list[tuple[Freeze, datetime]]]:
    """Those in force, each with its end."""
    now = timezone.now()
    known = [(one, freezes.span_at(one, now)) for one in Freeze.objects.filter(_concerned(environments)).order_by("pk")]
    in_force = [(one, span.end) for one, span in known if span]
    return {place.pk: [pair for pair in in_force if concerns(pair[0], place)] for place in environments}
