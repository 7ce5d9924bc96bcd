"""How long deploys usually take."""

from collections.abc import Collection, Mapping
from statistics import median

from pipelines.deploys.models import Deploy, Environment
from pipelines.states.status import Status


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
