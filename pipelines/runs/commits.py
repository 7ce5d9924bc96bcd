"""Which commits a push brought, as the code host told; and which of them may have broken a ref."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.runs.models import Event, EventKind, Run
from pipelines.states.status import Status

_EVENTS = 60  # pushes that are looked at


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; `author` is who the code host names."""

    sha: str
    title: str
    author: str

    @property
    def short_sha(self) -> str:
        return self.sha[:7]


@dataclass(frozen=True, slots=True)
class Suspects:
    """The commits since the last run of the ref that succeeded, newest first; `green` is its number, None without one:
    then only the run's own commit is named."""

    green: int | None
    commits: tuple[Commit, ...]

    @property
    def authors(self) -> list[str]:
        return sorted({commit.author for commit in self.commits if commit.author})


def suspects(run: Run) -> Suspects:
    """Three queries. Only what pushes told of is known; the run's own commit is always among them."""
    alike = Run.objects.filter(project=run.project_id, ref=run.ref, number__lt=run.number)
    green = alike.filter(status=Status.SUCCEEDED).order_by("-number").first()
    own = Commit(run.sha, run.title, run.author)
    if green is None or green.sha == run.sha:
        return Suspects(green.number if green else None, (own,))
    found: dict[str, Commit] = {run.sha: own}
    for row in _pushed(run, green):
        for commit in of_event(*row):
            if commit.sha not in found:
                found[commit.sha] = commit
    return Suspects(green.number, tuple(commit for commit in found.values() if commit.sha != green.sha))


def of_event(sha: str, title: str, actor: str, commits: Any) -> Iterator[Commit]:
    """Newest first. The payload is the code host's: what is not as expected is passed over, the tip is always told."""
    listed = [commit for commit in map(_read, commits if isinstance(commits, list) else []) if commit]
    if sha and sha not in {commit.sha for commit in listed}:
        yield Commit(sha, title, actor)
    yield from reversed(listed)


def _pushed(run: Run, green: Run) -> list[tuple[str, str, str, Any]]:
    """What the pushes after the green one and up to the run's own told: commit, title, who, commits; newest first."""
    pushes = Event.objects.filter(project=run.project_id, ref=run.ref, kind=EventKind.PUSH)
    known = dict(pushes.filter(sha__in=[run.sha, green.sha]).order_by("-pk").values_list("sha", "pk"))
    if run.sha not in known or green.sha not in known:
        return []
    between = pushes.filter(pk__gt=known[green.sha], pk__lte=known[run.sha]).order_by("-pk")
    return list(between.values_list("sha", "title", "actor", "payload__commits")[:_EVENTS])


def _read(value: Any) -> Commit | None:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return None
    author = value.get("author")
    name = author.get("username") or author.get("name") if isinstance(author, dict) else ""
    title = str(value.get("message") or "").partition("\n")[0]
    return Commit(value["id"][:64], title[:300], str(name or "")[:150])
