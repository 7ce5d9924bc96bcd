"""What pages ask about releases, environments and deploys; each question is a bounded number of queries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, Max, Prefetch, QuerySet, prefetch_related_objects

from pipelines.deploys import rollbacks, rules
from pipelines.deploys.models import Deploy, Environment, Host, HostDeploy, Release
from pipelines.deploys.pace import usual as usual
from pipelines.deploys.pace import usual_seconds as usual_seconds
from pipelines.deploys.reads.newest import of_each
from pipelines.projects.models import Project
from pipelines.states.status import BAD, Status


@dataclass(frozen=True, slots=True)
class Shelf:
    """The newest releases of a project, oldest first, and its environments by name."""

    releases: Sequence[Release]
    environments: Sequence[Environment]

    @property
    def live(self) -> Mapping[str, int]:
        """Environment → number of the release that it runs."""
        return {place.name: place.current.number for place in self.environments if place.current}


def shelves(projects: Iterable[Project], length: int = 7) -> Mapping[int, Shelf]:
    """Project id → its shelf. What is live is on it too, even if it is not among the newest."""
    places: dict[int, list[Environment]] = defaultdict(list)
    for place in Environment.objects.filter(project__in=projects).select_related("current").order_by("name"):
        places[place.project_id].append(place)
    newest = Release.objects.filter(project__in=projects, number__gte=F("project__next_release_number") - length)
    newest = newest.defer("deploy_spec")
    kept: dict[int, dict[int, Release]] = defaultdict(dict)
    for release in newest:
        kept[release.project_id][release.number] = release
    for place in (place for found in places.values() for place in found):
        if place.current:
            kept[place.project_id].setdefault(place.current.number, place.current)
    return {
        project.pk: Shelf([kept[project.pk][number] for number in sorted(kept[project.pk])], places[project.pk])
        for project in projects
    }


def running(projects: Collection[Project], limit: int = 30) -> list[Deploy]:
    """Deploys that run, in the order in which they were asked for, their hosts at hand."""
    found = Deploy.objects.filter(environment__project__in=_ids(projects), status=Status.RUNNING, finished_at=None)
    shown = _shown(projects, list(found.order_by("pk").values_list("pk", flat=True)[:limit]), "pk")
    prefetch_related_objects(shown, "hosts")
    return shown


def newest(projects: Collection[Project], limit: int = 10) -> list[Deploy]:
    """Deploys that have ended, newest first."""
    ended = of_each(_environments(projects), Deploy.objects.exclude(finished_at=None), limit)
    last = Deploy.objects.filter(pk__in=ended).order_by("-finished_at").values_list("pk", flat=True)[:limit]
    return _shown(projects, list(last), "-finished_at")


def broken(projects: Collection[Project]) -> list[Deploy]:
    """For each environment its newest ended deploy, if that ended badly."""
    last = of_each(_environments(projects), Deploy.objects.exclude(finished_at=None))
    bad = Deploy.objects.filter(pk__in=last, status__in=BAD).values_list("pk", flat=True)
    return _shown(projects, list(bad), "-finished_at")


def _environments(projects: Iterable[Project]) -> QuerySet[Environment]:
    return Environment.objects.filter(project__in=_ids(projects))


def _ids(projects: Iterable[Project]) -> list[int]:
    return [project.pk for project in projects]


def _shown(projects: Iterable[Project], deploys: Collection[int], order: str) -> list[Deploy]:
    """Whole rows are read only of those that are shown: they are wide, and often there are none."""
    if not deploys:
        return []
    found = Deploy.objects.filter(pk__in=deploys).select_related("environment", "release").order_by(order)
    of, rows = {project.pk: project for project in projects}, list(found.defer("release__deploy_spec"))
    for row in rows:
        row.environment.project = of[row.environment.project_id]  # joined, its secrets would be decrypted for every row
    return rows


def environments(project: Project) -> list[Environment]:
    return list(project.environments.select_related("current").order_by("name"))


@dataclass(frozen=True, slots=True)
class Stand:
    """A host and the newest deploy on it, if any."""

    host: Host
    last: HostDeploy | None


def hosts(environment: Environment) -> list[Stand]:
    """The hosts that the inventory listed last."""
    latest = HostDeploy.objects.filter(host__environment=environment).values("host").annotate(last=Max("pk"))
    rows = HostDeploy.objects.filter(pk__in=latest.values("last")).select_related("deploy__release")
    last = {row.host_id: row for row in rows}
    found = environment.hosts.filter(gone_at=None).select_related("release").order_by("name")
    return [Stand(host, last.get(host.pk)) for host in found]


@dataclass(frozen=True, slots=True)
class Shown:
    """A release as an environment sees it: its newest deploy there, and what a click may do with it.

    `overtaken_by`: why the environment's rule, which takes it, has not deployed it by itself.
    """

    release: Release
    deploy: Deploy | None
    is_live: bool
    ran_well: bool
    overtaken_by: Release | None
    refusal: str

    @property
    def is_deployable(self) -> bool:
        return not self.refusal and not self.is_live


def history(environment: Environment, limit: int = 25) -> list[Shown]:
    """The newest releases of the project, newest first, and what became of each in this environment."""
    of_project = Release.objects.filter(project=environment.project_id).select_related("overtaken_by")
    releases = list(of_project.order_by("-number")[:limit])
    here = environment.deploys.filter(release__in=releases).select_related("configuration").order_by("pk")
    newest_here = {deploy.release_id: deploy for deploy in here}
    proven = set(rollbacks.proven(environment).values_list("pk", flat=True))
    return [
        Shown(
            release=release,
            deploy=newest_here.get(release.pk),
            is_live=release.pk == environment.current_id,
            ran_well=release.pk in proven,
            overtaken_by=release.overtaken_by if environment.automatic else None,
            refusal=_refusal(environment, release),
        )
        for release in releases
    ]


def _refusal(environment: Environment, release: Release) -> str:
    if release.quarantined_at:
        return f"quarantined: {release.quarantined_because}"
    if not rules.takes(environment.ref_pattern, release.ref):
        return f"of {release.ref}; {environment.name} takes {environment.ref_pattern}"
    return ""


def live_deploy(environment: Environment) -> Deploy | None:
    """The deploy that brought what is live; None when nothing is."""
    good = environment.deploys.filter(release=environment.current_id, status=Status.SUCCEEDED)
    return good.select_related("configuration", "release").order_by("finished_at").last()


@dataclass(frozen=True, slots=True)
class Change:
    """A plain value before and after; None where there is none."""

    name: str
    old: str | None
    new: str | None


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """The plain values that differ, by name."""
    names = sorted(old.keys() | new.keys())
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def whole(project: Project, number: int) -> Deploy:
    """A deploy with its hosts in the order of their waves; raises Deploy.DoesNotExist."""
    rows = HostDeploy.objects.select_related("host__release", "log").order_by("wave", "host__name")
    deploys = Deploy.objects.select_related(
        "environment__project", "environment__current", "release__run", "release__artifact", "replaces"
    ).select_related("configuration", "log", "undoes", "continues", "undone_by", "continued_by")
    return deploys.prefetch_related(Prefetch("hosts", rows)).get(environment__project=project, number=number)


def waiting(environment: Environment) -> list[Deploy]:
    """What has not ended here: what has begun first, then in the order in which it will be taken."""
    found = environment.deploys.filter(finished_at=None).select_related("release")
    return list(found.order_by(F("started_at").asc(nulls_last=True), "-priority", "pk")[:20])


def deploys_to(environment: Environment, limit: int = 15) -> list[Deploy]:
    """The newest deploys of an environment."""
    return list(environment.deploys.select_related("release", "undoes").order_by("-pk")[:limit])


def good_before(deploy: Deploy) -> Deploy | None:
    """What the environment ran before this deploy; None when it was the first that went well."""
    earlier = Deploy.objects.filter(environment=deploy.environment_id, status=Status.SUCCEEDED, pk__lt=deploy.pk)
    return earlier.select_related("configuration", "environment__project").order_by("finished_at").last()
