"""What is live in production and whether it is well, over many projects at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from pipelines.deploys.models import Deploy, Environment, Host
from pipelines.deploys.reads.newest import BROUGHT, of_each
from pipelines.projects.models import Project

_PRODUCTION = Q(is_production=True) | Q(name__in=("production", "prod"))


@dataclass(frozen=True, slots=True)
class Live:
    """An environment, and since when it runs what it runs; None when that was before anything was recorded."""

    environment: Environment
    since: datetime | None


def production(projects: Iterable[Project]) -> list[Live]:
    """The environments of production in which something is live, by the name of their project, in two queries."""
    of = {project.pk: project for project in projects}
    found = Environment.objects.filter(_PRODUCTION, project__in=of, current__isnull=False)
    found = found.select_related("current").defer("current__deploy_spec")
    places = list(found.order_by("project__name", "name"))
    for place in places:
        place.project = of[place.project_id]  # joined, its secrets would be decrypted for every row
    since = _since(places)
    return [Live(place, since.get(place.pk)) for place in places]


def unwell(projects: Iterable[Project]) -> Mapping[Environment, Sequence[Host]]:
    """Environment → its hosts that did not pass their last check; those without any are not in it."""
    found: dict[Environment, list[Host]] = defaultdict(list)
    sick = Host.objects.filter(environment__project__in=projects, healthy=False, gone_at=None)
    for host in sick.select_related("environment__project", "environment__current").order_by("name"):
        found[host.environment].append(host)
    return found


def _since(places: Iterable[Environment]) -> Mapping[int, datetime | None]:
    """Environment id → when the deploy ended that brought what is live."""
    brought = of_each(Environment.objects.filter(pk__in=[place.pk for place in places]), BROUGHT)
    return dict(Deploy.objects.filter(pk__in=brought).values_list("environment", "finished_at"))
