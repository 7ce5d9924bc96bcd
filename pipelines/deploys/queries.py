"""What pages ask about releases, environments and deploys; each question is a bounded number of queries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from django.db.models import Case, F, Max, Prefetch, QuerySet, When, Window
from django.db.models.functions import RowNumber

from pipelines.deploys import rollbacks, rules
from pipelines.deploys.models import Configuration, Deploy, Environment, Host, HostDeploy, Release
from pipelines.deploys.requests import configuration_of
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
    ranked = Release.objects.filter(project__in=projects).annotate(
        place=Window(RowNumber(), partition_by=F("project"), order_by=F("number").desc())
    )
    kept: dict[int, dict[int, Release]] = defaultdict(dict)
    for release in ranked.filter(place__lte=length):
        kept[release.project_id][release.number] = release
    for place in (place for found in places.values() for place in found):
        if place.current:
            kept[place.project_id].setdefault(place.current.number, place.current)
    return {
        project.pk: Shelf([kept[project.pk][number] for number in sorted(kept[project.pk])], places[project.pk])
        for project in projects
    }


def unfinished(projects: Iterable[Project], limit: int = 30) -> list[Deploy]:
    """Deploys that wait or run, in the order in which they were asked for, their hosts at hand."""
    return list(_deploys(projects).filter(finished_at=None).prefetch_related("hosts").order_by("pk")[:limit])


def newest(projects: Iterable[Project], limit: int = 10) -> list[Deploy]:
    """Deploys that have ended, newest first."""
    return list(_deploys(projects).exclude(finished_at=None).order_by("-finished_at")[:limit])


def broken(projects: Iterable[Project]) -> list[Deploy]:
    """For each environment its newest ended deploy, if that ended badly."""
    ended = _deploys(projects).exclude(finished_at=None)
    last = ended.values("environment").annotate(last=Max("pk")).values("last")
    return list(ended.filter(pk__in=last, status__in=BAD).order_by("-finished_at"))


def _deploys(projects: Iterable[Project]) -> QuerySet[Deploy]:
    deploys = Deploy.objects.filter(environment__project__in=projects)
    return deploys.select_related("environment__project", "release", "replaces", "undoes")


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


def usual_seconds(environment: Environment) -> float | None:
    """How long the last successful deploys took: the median; None without any."""
    return usual([environment]).get(environment.pk)


def usual(environments: Collection[Environment]) -> Mapping[int, float]:
    """`usual_seconds` by environment, in one question; those without any are not in it."""
    good = Deploy.objects.filter(environment__in=environments, status=Status.SUCCEEDED).order_by("-pk")
    took: dict[int, list[float]] = {}
    for deploy in good[: 10 * len(environments)]:
        if seconds := deploy.took_seconds:
            took.setdefault(deploy.environment_id, []).append(seconds)
    return {environment: median(times) for environment, times in took.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """A plain value before and after; None where there is none."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Way:
    """What going back to `target` would change.

    `strays` are the hosts that may run something else than what is live; `quarantines` what the way leaves for good.
    `between` are the releases that lie on it, newest first: taken back, or brought when `forward`.
    """

    target: Release
    strays: Sequence[HostDeploy]
    quarantines: Sequence[Release]
    forward: bool
    between: Sequence[Release]
    old: Configuration | None
    new: Configuration
    changes: Sequence[Change]
    secrets: int
    others: Sequence[Release]
    hosts: int
    usual_seconds: float | None

    @property
    def migrates(self) -> bool:
        """Whether what it leaves may have changed the database."""
        return any(release.deploy_spec.get("migrate") for release in self.quarantines)

    @property
    def authors(self) -> list[str]:
        return sorted({release.author for release in self.between if release.author})


def way_back(environment: Environment, number: int | None = None, limit: int = 20) -> Way | None:
    """What rolling back to release `number` would change; without a number, to the button's own choice.

    None when there is nothing to go back to, or `number` is not among what can be gone back to.
    """
    astray = rollbacks.strays(environment)
    targets = list(rollbacks.targets(environment, astray)[:limit])
    target = next((release for release in targets if number in (None, release.number)), None)
    if target is None:
        return None
    left = rollbacks.taken_back(environment, target, astray)
    start = environment.current if target != environment.current else left[-1] if left else None
    live = live_deploy(environment)
    old, new = live.configuration if live else None, configuration_of(environment, target)
    return Way(
        target=target,
        strays=astray,
        quarantines=left,
        forward=start is not None and target.number > start.number,
        between=_between(environment, target, start, limit) if start else [],
        old=old,
        new=new,
        changes=changes(old.values if old else {}, new.values),
        secrets=environment.secrets.count(),
        others=[release for release in targets if release != target],
        hosts=environment.hosts.filter(gone_at=None).count(),
        usual_seconds=usual_seconds(environment),
    )


def _between(environment: Environment, target: Release, start: Release, limit: int) -> list[Release]:
    low, high = sorted((target.number, start.number))
    passed = Release.objects.filter(project=environment.project_id, number__gt=low, number__lte=high)
    return [r for r in passed.order_by("-number")[:limit] if rules.takes(environment.ref_pattern, r.ref)]


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """The plain values that differ, by name."""
    names = sorted(old.keys() | new.keys())
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def whole(project: Project, number: int) -> Deploy:
    """A deploy with its hosts in the order of their waves; raises Deploy.DoesNotExist."""
    rows = HostDeploy.objects.select_related("host__release", "log").order_by("wave", "host__name")
    deploys = Deploy.objects.select_related(
        "environment__project", "environment__current", "release", "replaces", "configuration", "log", "undoes"
    )
    return deploys.prefetch_related(Prefetch("hosts", rows)).get(environment__project=project, number=number)


def waiting(environment: Environment) -> list[Deploy]:
    """What has not ended here: what runs first, then in the order in which it will be taken."""
    found = environment.deploys.filter(finished_at=None).select_related("release")
    rank = Case(When(status=Status.RUNNING, then=0), default=1)
    return list(found.order_by(rank, "-priority", "pk")[:20])


def deploys_to(environment: Environment, limit: int = 15) -> list[Deploy]:
    """The newest deploys of an environment."""
    return list(environment.deploys.select_related("release", "undoes").order_by("-pk")[:limit])


def configuration_before(deploy: Deploy) -> Configuration | None:
    """What the environment ran with before this deploy; None when it was the first that went well."""
    earlier = Deploy.objects.filter(environment=deploy.environment_id, status=Status.SUCCEEDED, pk__lt=deploy.pk)
    last = earlier.select_related("configuration").order_by("finished_at").last()
    return last.configuration if last else None
