"""How far the set-up of a project has come."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.probes import queries as questions
from pipelines.probes.models import Kind, Probe
from pipelines.projects import lifecycle
from pipelines.projects.clone_urls import BadCloneUrl, parse_clone_url
from pipelines.projects.models import Project
from pipelines.runs.models import Event
from pipelines.states.status import Status

ASKED = (Kind.REPOSITORY, Kind.CODE_HOST)  # what can be looked at of a project


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the webhook stands: the last delivery that was taken, and the refusal since, if one came."""

    taken: Event | None
    refused_at: datetime | None
    why: str
    since: datetime

    @property
    def status(self) -> Status:
        if self.why:
            return Status.FAILED
        return Status.SUCCEEDED if self.taken else Status.RUNNING


def newest(project: Project, kind: Kind) -> Probe | None:
    return questions.newest(kind, project.pk)


def answer_of(probe: Probe | None) -> dict[str, Any]:
    """Empty while there is none."""
    return (probe.answer if probe is not None and probe.status == Status.SUCCEEDED else None) or {}


def starter(project: Project, key: str) -> dict[str, Any] | None:
    """The pipeline of that key among those that the newest look at the repository offers, or the first of them."""
    return chosen(answer_of(newest(project, Kind.REPOSITORY)), key)


def chosen(answer: dict[str, Any], key: str) -> dict[str, Any] | None:
    """As `starter`, of a look that is at hand."""
    offered: list[dict[str, Any]] = answer.get("starters", [])
    return next((one for one in offered if one["key"] == key), offered[0] if offered else None)


def delivery(project: Project) -> Delivery:
    """From now on the last delivery that is refused is noted."""
    taken = project.events.exclude(delivery_id=None).defer("payload").order_by("-pk").first()
    refusal = lifecycle.listen(project)
    at = refusal.at
    if at is None or (taken is not None and taken.received_at > at):
        return Delivery(taken, None, "", project.created_at)
    return Delivery(taken, at, refusal.why, project.created_at)


def transport(project: Project) -> str:
    """How it is cloned: https, ssh, …; empty for a URL that cannot be cloned any more."""
    try:
        return parse_clone_url(project.clone_url, allow_local=True, allow_http=True).transport
    except BadCloneUrl:
        return ""
