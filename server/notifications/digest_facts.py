"""A day of a project in one message: counted when it is put into the outbox, worded when it is sent."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipelines.deploys.models import Deploy
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from pipelines.runs.queries import lines
from pipelines.states.status import BAD, FINAL, Status
from server.notifications.links import project_url
from server.notifications.words import Detail, Words

DAY = timedelta(days=1)
_ENDED = [Status.SUCCEEDED, *BAD]
MAX_NAMED = 15


def count(project: Project, until: datetime) -> dict[str, Any]:
    """What the day before `until` brought, as JSON has it."""
    runs = Run.objects.filter(project=project, finished_at__gt=until - DAY, finished_at__lte=until)
    verdicts = list(runs.filter(status__in=_ENDED).values_list("status", flat=True))
    deploys = Deploy.objects.filter(
        environment__project=project, status__in=FINAL, finished_at__gt=until - DAY, finished_at__lte=until
    )
    named = deploys.select_related("environment", "release").order_by("finished_at")
    return {
        "since": (until - DAY).isoformat(),
        "until": until.isoformat(),
        "runs": len(verdicts),
        "succeeded": verdicts.count(Status.SUCCEEDED),
        "broken": _broken(project),
        "deploys": [_line(deploy) for deploy in named[:MAX_NAMED]],
        "deploys_left_out": max(deploys.count() - MAX_NAMED, 0),
        "live": _live(project),
    }


def digest(project: Project, facts: Mapping[str, Any]) -> Words:
    """Pure but for the address of the project's page."""
    runs, good = int(facts["runs"]), int(facts["succeeded"])
    rate = f"{round(100 * good / runs)} % of {runs} run{'' if runs == 1 else 's'} succeeded" if runs else "no run ended"
    deploys = list(facts["deploys"])
    more = [f"and {facts['deploys_left_out']} more"] if facts["deploys_left_out"] else []
    details = [
        Detail("Deploys", (*deploys, *more)) if deploys else None,
        Detail("Live", tuple(facts["live"])) if facts["live"] else None,
    ]
    broken = str(facts["broken"])
    count = len(deploys) + int(facts["deploys_left_out"])
    told = f"{count} deploy{'' if count == 1 else 's'}" if count else "no deploy"
    return Words(
        f"{project.name}: the last day: {rate}, {told}",
        broken,
        (broken or f"{project.default_branch} is not broken",),
        (),
        project_url(project.name),
        project.name,
        details=tuple(detail for detail in details if detail),
    )


def _broken(project: Project) -> str:
    line = lines([project])[project.pk]
    return f"{project.default_branch} is broken since run {line.broken_since.number}" if line.broken_since else ""


def _line(deploy: Deploy) -> str:
    what = f"{deploy.kind} {deploy.number} of release {deploy.release.number}"
    return f"{deploy.environment.name}: {what} {deploy.status}"


def _live(project: Project) -> list[str]:
    places = project.environments.exclude(current=None).select_related("current").order_by("name")
    return [f"{place.name} runs release {place.current.number}" for place in places if place.current]
