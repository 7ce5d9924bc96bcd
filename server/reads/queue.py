"""What waits and why: for a runner, for people, for its turn; over many projects at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from pipelines.deploys.models import Deploy, Waits
from pipelines.projects.models import Project
from pipelines.runs import queries, waiting
from pipelines.runs.models import Run, Stage
from pipelines.states.status import Status
from server import access
from server.access import Person
from server.reads.fleets import Fleet

_PEOPLE = {  # what a deploy may wait for that people have to do
    Waits.MIGRATION: "a look at a migration",
    Waits.APPROVAL: "approval",
    Waits.HOSTS: "a look at its hosts",
    Waits.PAUSE: "somebody to go on",
    Waits.BREACH: "a decision",
}
_WAITS = Q(status__in=[Status.QUEUED, Status.BLOCKED])


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run, stage or deploy that waits; `title` says what of, `why` is a short phrase, `wants` what of people."""

    status: str
    project: Project
    name: str
    url: str
    title: str
    why: str
    since: datetime | None
    wants: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """`ready` in the order in which runners take them; `people` wait for somebody's word, `deploys` for their turn."""

    ready: Sequence[Waiting]
    people: Sequence[Waiting]
    deploys: Sequence[Waiting]
    total: int

    @property
    def all(self) -> Sequence[Waiting]:
        return [*self.people, *self.ready, *self.deploys]


def waiting_in(projects: Sequence[Project], limit: int, fleet: Fleet) -> Queue:
    """At most `limit` of each kind, in a bounded number of queries."""
    of_runs, of_stages = Q(project__in=projects), Q(run__project__in=projects)
    runs, stages, deploys = _rows(of_runs, of_stages, Q(environment__project__in=projects))
    in_order = stages.select_related("run__project").order_by("run_id", "position")
    shown = [stage for status in (Status.QUEUED, Status.BLOCKED) for stage in in_order.filter(status=status)[:limit]]
    why = waiting.waiting(shown, fleet)
    since = queries.waits_since(shown)
    waits = [_stage(stage, why, since) for stage in shown]
    behind = [*map(_deploy, deploys.select_related("environment__project", "release").order_by("pk")[: 2 * limit])]
    waits = [*map(_run, runs.select_related("project").order_by("pk")[:limit]), *waits]
    return Queue(
        ready=[one for one in waits if one.status == Status.QUEUED],
        people=[one for one in (*behind, *waits) if one.status == Status.BLOCKED and one.wants][:limit],
        deploys=[one for one in behind if not one.wants][:limit],
        total=_count(runs, stages, deploys),
    )


def count(person: Person) -> int:
    """How much waits in the projects that a person sees, in one query."""
    if access.is_operator(person):
        return _count(*_rows(Q(), Q(), Q()))
    seen = access.visible_projects(person).values("pk")
    return _count(*_rows(Q(project__in=seen), Q(run__project__in=seen), Q(environment__project__in=seen)))


def _rows(runs: Q, stages: Q, deploys: Q) -> tuple[QuerySet[Run], QuerySet[Stage], QuerySet[Deploy]]:
    """Nothing that has ended waits: said as well, as the indexes are of what has not."""
    return (
        Run.objects.filter(_WAITS, runs, finished_at=None),
        Stage.objects.filter(_WAITS, stages, finished_at=None),
        Deploy.objects.filter(_WAITS, deploys, finished_at=None),
    )


def _count(*rows: "QuerySet[Any]") -> int:
    first, *others = (_keys(one) for one in rows)
    return first.union(*others, all=True).count()


def _keys(rows: "QuerySet[Model]") -> "QuerySet[Model, Any]":
    return rows.order_by().values_list("pk")


def _run(run: Run) -> Waiting:
    why = "somebody has to let this fork's commit in" if run.status == Status.BLOCKED else "waits to be planned"
    url = reverse("run", args=[run.project.name, run.number])
    name, wants = f"run {run.number}", "a look at its commit" if run.status == Status.BLOCKED else ""
    return Waiting(run.status, run.project, name, url, run.title or run.ref_name, why, run.created_at, wants)


def _stage(stage: Stage, why: Mapping[int, str], since: Mapping[int, datetime]) -> Waiting:
    run = stage.run
    url = f"{reverse('run', args=[run.project.name, run.number])}?{urlencode({'stage': stage.name})}"
    told = why.get(stage.pk) or "next for a free runner"
    name = f"run {run.number}, {stage.name}"
    title = run.title or run.ref_name
    return Waiting(stage.status, run.project, name, url, title, told, since.get(stage.pk), "approval")


def _deploy(deploy: Deploy) -> Waiting:
    project = deploy.environment.project
    url = reverse("deploy", args=[project.name, deploy.number])
    title = f"release {deploy.release.number} → {deploy.environment.name}"
    why = (deploy.reason if deploy.waits_for else "") or f"its turn in {deploy.environment.name}"
    wants = _PEOPLE.get(Waits(deploy.waits_for), "") if deploy.waits_for else ""
    return Waiting(deploy.status, project, f"{deploy.kind} {deploy.number}", url, title, why, deploy.created_at, wants)
