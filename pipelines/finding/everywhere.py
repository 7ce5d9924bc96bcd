"""One question, every kind of answer."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import QuerySet

from pipelines.finding import lines, names
from pipelines.finding.lines import Look
from pipelines.finding.names import Author
from pipelines.projects.models import Project
from pipelines.runs.models import Run

MAX_TEXT = 200  # characters of a question that are looked for


class Kind(StrEnum):
    """What can be found."""

    PROJECTS = "projects"
    RUNS = "runs"
    COMMITS = "commits"
    PEOPLE = "people"
    LOGS = "logs"


NAMES = frozenset(Kind) - {Kind.LOGS}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, the newest first. `commits` are each commit's newest run; `logs` is None when not asked for."""

    projects: list[Project] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    commits: list[Run] = field(default_factory=list)
    people: list[Author] = field(default_factory=list)
    logs: Look | None = None

    @property
    def count(self) -> int:
        """How many names; lines of logs are not among them."""
        return len(self.projects) + len(self.runs) + len(self.commits) + len(self.people)


def find(
    projects: QuerySet[Project],
    text: str,
    kinds: Collection[Kind] = NAMES,
    limit: int = 10,
    *,
    before: int | None = None,
    seconds: float = lines.SECONDS,
) -> Found:
    """Up to `limit` of each kind in the projects, whatever the case of letters.

    Runs are looked for among the newest `names.LOOK_BACK`, where one kind alone is asked for among more of them. Logs
    are read newest first for at most `seconds`, from the log `before` on, if given: see `lines.Look`.
    """
    wanted, ids = text.replace("\0", "").strip()[:MAX_TEXT], list(projects.values_list("pk", flat=True))
    if not wanted or not ids:
        return Found()
    back = names.FAR_BACK if len(kinds) == 1 else names.LOOK_BACK
    return Found(
        projects=names.projects(ids, wanted, limit) if Kind.PROJECTS in kinds else [],
        runs=names.runs(ids, wanted, limit, back) if Kind.RUNS in kinds else [],
        commits=names.commits(ids, wanted, limit, back) if Kind.COMMITS in kinds else [],
        people=names.people(ids, wanted, limit, back) if Kind.PEOPLE in kinds else [],
        logs=lines.look(ids, wanted, before=before, seconds=seconds) if Kind.LOGS in kinds else None,
    )
