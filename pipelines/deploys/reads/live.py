"""What is live in production and whether it is well, over many projects at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from pipelines.deploys.models import Environment, Host
from pipelines.deploys.reads.newest import brought_live
from pipelines.projects.models import Project

_PRODUCTION = Q(is_production=True) | Q(name__in=("production", "prod"))


@dataclass(frozen=True, slots=True)
class Live:
    """An environment, and since when it runs what it runs; None when that was before anything was recorded."""

    environment: Environment
    since: datetime | None


def production(projects: Iterable[Project]) -> list[Live]:
    """The environments of production in which something is live, by the name of their project, in two queries."""
    found = Environment.objects.filter(_PRODUCTION, project__in=projects, current__isnull=False)
    places = list(found.select_related("project", "current").order_by("project__name", "name"))
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
    found = brought_live(Environment.objects.filter(pk__in=[place.pk for place in places]))
    return {place: deploy.finished_at for place, deploy in found.items()}
