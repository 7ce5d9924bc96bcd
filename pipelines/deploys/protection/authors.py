"""Whose work a deploy brings, as far as the code host has told: they do not approve it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max
from django.db.models.functions import Lower

from pipelines.audit.actors import number_of
from pipelines.deploys.models import Deploy, Release
from pipelines.deploys.protection.lineage import Push, between
from pipelines.runs.models import Event, EventKind, Run
from pipelines.runs.starters import Pusher, is_among

_EVENTS = 500  # pushes between two releases that are looked at, the newest
_COMMITS = 1000
_KINDS = (EventKind.PUSH, EventKind.TAG, EventKind.PULL_REQUEST)
_COLUMNS = ("sha", "before", "actor", "actor_id", "payload__commits")


@dataclass(frozen=True, slots=True)
class _Whose:
    """Who has part in what lies between two releases: our numbers of who asked for runs, those who pushed, and the
    names at the code host of who wrote commits, in lower case."""

    askers: frozenset[int]
    pushers: frozenset[Pusher]
    names: frozenset[str]


def wrote(deploy: Deploy, person: User) -> bool:
    """Whether any of the commits is theirs that lie between what is live and the deploy's release.

    Theirs is what they pushed, there or on another branch before it was merged, what the code host says that they
    wrote, and a run that they started. People are known by the code host's number; where it tells but a name, who has
    the same one loses a vote, and who has that name's number. Where nothing is live yet, only the release's own push
    counts.
    """
    project, live = deploy.environment.project_id, deploy.environment.current_id
    # A queue is looked at each second: it is worked out again when there is something new to look at.
    events, runs = Event.objects.filter(project=project), Run.objects.filter(project=project)
    news = (
        events.order_by("-pk").values_list("pk", "received_at").first(),
        runs.order_by("-number").values_list("number", "created_at").first(),
    )
    whose = _whose(deploy.release_id, live, news)
    if person.pk in whose.askers or person.get_username().casefold() in whose.names:
        return True
    return is_among(person, whose.pushers)


@lru_cache(maxsize=256)
def _whose(release_id: int, live_id: int | None, _news: object) -> _Whose:
    """The news are for the cache alone: with other rows there may be another answer."""
    release = Release.objects.select_related("project").get(pk=release_id)
    live = Release.objects.get(pk=live_id) if live_id is not None else None
    runs = list(_runs(release, live))
    events = Event.objects.filter(run__in=runs, kind__in=_KINDS).order_by("-pk")
    pushes = [_push(row) for row in events.values_list(*_COLUMNS)[:_EVENTS]]
    if live is not None:
        older, newer = sorted((live, release), key=lambda one: one.number)
        pushes += between(_told(runs[0], release, live), older.sha, newer.sha)
    commits = {commit for push in pushes for commit in push.commits}
    names = frozenset(name.casefold() for _, name in commits if name)
    shas = {sha for sha, _ in commits} | {run.sha for run in runs if run.sha}
    own = [(push.actor, push.actor_id) for push in pushes]
    asked = [number_of(run.asked_by) for run in runs]
    return _Whose(
        askers=frozenset(number for number in asked if number is not None),
        pushers=frozenset([*own, *_pushers(release, list(shas)[:_COMMITS]), *_accounts(release, names)]),
        names=names,
    )


def _runs(release: Release, live: Release | None) -> Iterable[Run]:
    """The release's own first, then those of its line, its tags' and the default branch's, from one to the other; with
    each those that it repeats."""
    own = Run.objects.select_related("rerun_of", "project")
    newest = own.get(pk=release.run_id)
    yield from _repeated(newest)
    if live is None or live.run_id == newest.pk:
        return
    first, last = sorted((Run.objects.values_list("since", flat=True).get(pk=live.run_id), newest.since))
    refs = {release.ref, live.ref, newest.project.default_ref}
    lying = own.filter(project=newest.project, ref__in=refs, since__gt=first, since__lte=last)
    for run in lying.exclude(pk=newest.pk).order_by("-number")[:_EVENTS]:
        yield from _repeated(run)


def _repeated(run: Run | None) -> Iterator[Run]:
    while run is not None:
        yield run
        run = run.rerun_of


def _told(newest: Run, release: Release, live: Release) -> list[Push]:
    """The project's last pushes to any branch up to the later of the two releases, the earliest first."""
    told = Event.objects.filter(project=release.project_id, kind__in=_KINDS)
    last = told.filter(run__in=[*_repeated(newest), live.run_id]).aggregate(at=Max("pk"))["at"]
    rows = told.filter(pk__lte=last or 0).order_by("-pk").values_list(*_COLUMNS)[:_EVENTS]
    return [_push(row) for row in rows][::-1]


def _pushers(release: Release, shas: Iterable[str]) -> list[Pusher]:
    """Whoever pushed these commits first, to whichever branch."""
    events = Event.objects.filter(sha__in=list(shas), project=release.project_id, kind__in=_KINDS)
    return list(events.values_list("actor", "actor_id")[:_EVENTS])


def _accounts(release: Release, names: Iterable[str]) -> list[Pusher]:
    """The numbers of these names, from whatever they have done in the project."""
    told = Event.objects.filter(project=release.project_id, actor_id__isnull=False).annotate(account=Lower("actor"))
    return list(told.filter(account__in=list(names)[:_COMMITS]).values_list("actor", "actor_id").distinct())


def _push(row: tuple[str, str, str, int | None, Any]) -> Push:
    """Of what a push's payload tells, what is not as expected is passed over."""
    sha, before, actor, actor_id, listed = row
    return Push(sha, before, actor, actor_id, tuple(_commits(listed)))


def _commits(listed: Any) -> Iterator[tuple[str, str]]:
    """Commit and its author's account."""
    for commit in listed if isinstance(listed, list) else []:
        if not isinstance(commit, dict) or not isinstance(commit.get("id"), str):
            continue
        author = commit.get("author")
        name = author.get("username") if isinstance(author, dict) else ""
        yield commit["id"], name if isinstance(name, str) else ""
