"""What each message of a list is about, in words and with its page; a bounded number of queries for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from pipelines.deploys.models import Deploy
from pipelines.notifications.lifecycle import TEST
from pipelines.notifications.queries import Sending
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from pipelines.runs.models import Run, Stage
from server.notifications.topics import topics

_Places = dict[tuple[str, int], tuple[str, str]]  # kind and id → the name of what it is, and its page


@dataclass(frozen=True, slots=True)
class Row:
    """`url` is empty for what has no page, or is not there any more."""

    sending: Sending
    title: str
    name: str = ""
    url: str = ""


def rows(project: Project, sendings: Sequence[Sending]) -> list[Row]:
    places = _places(project, [sending.message for sending in sendings])
    return [Row(one, _title(one.message), *places.get(_subject(one.message), ("", ""))) for one in sendings]


def _title(message: Message) -> str:
    if message.topic == TEST:
        return "a test message"
    return next((topic.label for topic in topics(message)), message.topic)


def _subject(message: Message) -> tuple[str, int]:
    told, notice = message.transition, message.notice
    if told is not None:
        return told.subject_kind, told.subject_id
    return (notice.subject_kind, notice.subject_id) if notice is not None else ("", 0)


def _places(project: Project, messages: Sequence[Message]) -> _Places:
    subjects = {_subject(message) for message in messages}
    ids = {kind: [pk for one, pk in subjects if one == kind] for kind in ("run", "stage", "deploy", "environment")}
    found: _Places = {}
    for pk, number in Run.objects.filter(project=project, pk__in=ids["run"]).values_list("pk", "number"):
        found["run", pk] = (f"run {number}", reverse("run", args=[project.name, number]))
    stages = Stage.objects.filter(run__project=project, pk__in=ids["stage"]).values_list("pk", "run__number")
    for pk, number in stages:
        found["stage", pk] = (f"run {number}", reverse("run", args=[project.name, number]))
    deploys = Deploy.objects.filter(environment__project=project, pk__in=ids["deploy"])
    for pk, number in deploys.values_list("pk", "number"):
        found["deploy", pk] = (f"deploy {number}", reverse("deploy", args=[project.name, number]))
    for pk, name in project.environments.filter(pk__in=ids["environment"]).values_list("pk", "name"):
        found["environment", pk] = (name, reverse("environment", args=[project.name, name]))
    return found
