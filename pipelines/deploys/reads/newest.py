"""The newest deploys of each of many environments, each found by a walk along an index, however many lie below."""

from collections.abc import Mapping

from django.db.models import OuterRef, QuerySet, Subquery

from pipelines.deploys.models import Deploy, Environment
from pipelines.states.status import Status

# To be asked for of each environment: the deploy that brought what is live is the newest of these.
BROUGHT = Deploy.objects.filter(status=Status.SUCCEEDED, release=OuterRef("current"))


def of_each(environments: QuerySet[Environment], deploys: QuerySet[Deploy], count: int = 1) -> list[int]:
    """Ids of the newest `count` of these deploys in each environment, in one query."""
    here = deploys.filter(environment=OuterRef("pk")).order_by("-pk").values("pk")
    places = {f"place_{place}": Subquery(here[place : place + 1]) for place in range(count)}
    rows = environments.order_by().annotate(**places).values_list(*places)
    return [pk for row in rows for pk in row if pk is not None]


def brought_live(environments: QuerySet[Environment]) -> Mapping[int, Deploy]:
    """Environment id → the deploy that brought what is live, with its configuration; in two queries."""
    found = Deploy.objects.filter(pk__in=of_each(environments, BROUGHT)).select_related("configuration")
    return {deploy.environment_id: deploy for deploy in found}
