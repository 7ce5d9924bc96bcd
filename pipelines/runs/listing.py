"""Runs of a project as its page lists them: narrowed down, newest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from pipelines.projects.models import Project
from pipelines.runs.models import EventKind, Run
from pipelines.runs.queries import LARGE, LOOK_BACK
from pipelines.states.status import Status

_UNSEEN = (*LARGE, *(f"rerun_of__{field}" for field in LARGE))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs; what is empty narrows nothing down. `ref` is full, `status` a word, `kind` one of EventKind."""

    ref: str = ""
    status: str = ""
    kind: str = ""
    author: str = ""

    @property
    def is_all(self) -> bool:
        return not (self.ref or self.status or self.kind or self.author)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the last runs of a project were of: the most recent first; authors by name."""

    refs: Sequence[str]
    authors: Sequence[str]


def page(project: Project, wanted: Wanted, before: int | None, limit: int) -> list[Run]:
    """At most `limit` runs, newest first; only those older than the run number `before`, if given."""
    runs = _narrowed(Run.objects.filter(project=project), wanted)
    if before is not None:
        runs = runs.filter(number__lt=before)
    found = list(runs.select_related("release", "rerun_of").defer(*_UNSEEN).order_by("-number")[:limit])
    for run in found:
        run.project = project  # joined, its secrets would be decrypted for every row
    return found


def choices(project: Project) -> Choices:
    """In one query over a bounded number of rows."""
    recent = project.runs.filter(number__gte=project.next_run_number - LOOK_BACK).order_by("-number")
    rows = list(recent.values_list("ref", "author"))
    return Choices(list(dict.fromkeys(ref for ref, _ in rows)), sorted({author for _, author in rows if author}))


def _narrowed(runs: QuerySet[Run], wanted: Wanted) -> QuerySet[Run]:
    if wanted.ref:
        runs = runs.filter(ref=wanted.ref)
    if wanted.status in Status.values:
        runs = runs.filter(status=wanted.status)
    if wanted.kind in EventKind.values:
        runs = runs.filter(event_kind=wanted.kind)
    return runs.filter(author=wanted.author) if wanted.author else runs
