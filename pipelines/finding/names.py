"""Projects, runs, commits and people, by what they are called; among so many of the newest runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import BigIntegerField, ExpressionWrapper, F, Max, Q, QuerySet

from pipelines.projects.models import Project
from pipelines.runs.models import Run

LOOK_BACK = 20_000  # runs; what is older is not looked at
FAR_BACK = 200_000  # runs, where one kind alone is looked for
_COMMITS_BACK = 1000  # runs of a commit that are looked at to find different ones
_SHA = re.compile(r"[0-9a-f]{4,64}")
_SECRET = ("webhook_secret", "code_host_token", "deploy_key")
_NEVER_SHOWN = ("project__webhook_secret", "project__code_host_token", "project__deploy_key")


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who wrote commits, as git calls them, and the newest run of one."""

    name: str
    newest: Run


def projects(ids: Sequence[int], text: str, limit: int) -> list[Project]:
    """By name, clone URL or name at the code host."""
    named = Q(name__icontains=text) | Q(clone_url__icontains=text) | Q(code_host_name__icontains=text)
    return list(Project.objects.defer(*_SECRET).filter(named, pk__in=ids).order_by("name")[:limit])


def runs(ids: Sequence[int], text: str, limit: int, back: int = LOOK_BACK) -> list[Run]:
    """By number (`#12` or `12`), the commit's title, or branch or tag."""
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        numbered = list(_shown(Run.objects.filter(project__in=ids, number=int(number)))[:limit])
        if numbered or text.startswith("#"):
            return numbered
    alike = _recent(ids, back).filter(Q(title__icontains=text) | Q(ref__icontains=text)).order_by("-pk")
    return list(_shown(Run.objects.filter(pk__in=list(alike.values_list("pk", flat=True)[:limit]))))


def commits(ids: Sequence[int], text: str, limit: int, back: int = LOOK_BACK) -> list[Run]:
    """By the first digits of a commit's id, at least 4: each commit's newest run."""
    start = text.lower()
    if not _SHA.fullmatch(start):
        return []
    alike = _recent(ids, back).filter(sha__gte=start, sha__lt=start + "g").order_by("-pk")
    newest: dict[str, int] = {}
    for sha, pk in alike.values_list("sha", "pk")[:_COMMITS_BACK]:
        newest.setdefault(sha, pk)
    return list(_shown(Run.objects.filter(pk__in=list(newest.values())[:limit])))


def people(ids: Sequence[int], text: str, limit: int, back: int = LOOK_BACK) -> list[Author]:
    """By name, whoever wrote last first."""
    written = _recent(ids, back).filter(author__icontains=text).values_list("author").annotate(last=Max("pk"))
    newest = dict(written.order_by("-last").values_list("last", "author")[:limit])
    return [Author(newest[run.pk], run) for run in _shown(Run.objects.filter(pk__in=newest))]


def _recent(ids: Sequence[int], back: int) -> QuerySet[Run]:
    last = Run.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    # Not by an index on the project: the runs of many projects would be gone through one project after the other.
    whose = ExpressionWrapper(F("project_id") + 0, output_field=BigIntegerField())
    return Run.objects.alias(whose=whose).filter(whose__in=ids, pk__gt=last - back)


def _shown(found: QuerySet[Run]) -> QuerySet[Run]:
    """Only what a line about a run says: messages and problems can be long."""
    shown = found.select_related("project").defer(*_NEVER_SHOWN, "message", "problems", "deploy_spec", "parameters")
    return shown.order_by("-pk")
