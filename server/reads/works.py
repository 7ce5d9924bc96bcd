"""What each runner does now, in words, with the page where it is seen."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from pipelines.deploys.models import Deploy
from pipelines.probes.models import Probe
from pipelines.runs.models import Attempt, Run
from pipelines.states import leases
from pipelines.states.status import Status


@dataclass(frozen=True, slots=True)
class Work:
    """`url` is empty for what the person does not see; then the words name no project either."""

    words: str
    url: str
    since: datetime | None


def of_runners(names: Collection[str], visible: Collection[int]) -> Mapping[str, Work]:
    """Runner's name → its work, of those that have some; four queries. `visible`: ids of the projects to be named.

    Nothing that has ended is performed: said as well, as the indexes are of what has not.
    """
    held = ~Q(owner="") & Q(owner__in=names) & ~leases.expired()
    return {
        owner: Work(words, url, since) if project in visible else Work(_unseen(words), "", since)
        for owner, project, words, url, since in (*_stages(held), *_plans(held), *_deploys(held), *_probes(held))
    }


_Found = Iterator[tuple[str, int, str, str, datetime | None]]


def _stages(held: Q) -> _Found:
    rows = Attempt.objects.filter(held, status=Status.RUNNING).select_related("stage__run__project")
    for row in rows:
        run = row.stage.run
        page = f"{reverse('run', args=[run.project.name, run.number])}?{urlencode({'stage': row.stage.name})}"
        yield row.owner, run.project_id, f"stage {row.stage.name} of {run}", page, row.started_at


def _plans(held: Q) -> _Found:
    for run in Run.objects.filter(held, status=Status.QUEUED, finished_at=None).select_related("project"):
        page = reverse("run", args=[run.project.name, run.number])
        yield run.owner, run.project_id, f"plan of {run}", page, run.created_at


def _deploys(held: Q) -> _Found:
    rows = Deploy.objects.filter(held, status=Status.RUNNING, finished_at=None)
    for row in rows.select_related("environment__project"):
        project = row.environment.project
        page = reverse("deploy", args=[project.name, row.number])
        yield row.owner, project.pk, f"{row.kind} {row.number} of {project}", page, row.started_at


def _probes(held: Q) -> _Found:
    for row in Probe.objects.filter(held, status=Status.RUNNING):
        yield row.owner, 0, "question of a page", "", row.started_at


def _unseen(words: str) -> str:
    """Its kind alone."""
    kind = words.partition(" ")[0]
    return f"a {kind} of a page" if kind == "question" else f"a {kind} of a project that you do not see"
