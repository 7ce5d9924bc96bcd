"""Which commits lie between two releases, as the pushes that brought them told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Min, Q

from pipelines.deploys.models import Release
from pipelines.runs.commits import Commit, of_event
from pipelines.runs.models import Event, EventKind

SHOWN = 40  # commits of one pair
_EVENTS = 60  # pushes of one pair
_Told = Mapping[int, tuple[str, str, str, Any]]  # event → its commit, title, actor and the payload's commits


@dataclass(frozen=True, slots=True)
class Commits:
    """What lies between `older` (None: nothing was there before) and `newer`, newest first.

    `left_out`: how many more there are than `listed`. Not `whole`: the pushes between them were not all told of, as
    when they are of different refs, so that there may be others.
    """

    older: Release | None
    newer: Release
    listed: Sequence[Commit]
    left_out: int
    whole: bool

    @property
    def total(self) -> int:
        return len(self.listed) + self.left_out

    @property
    def authors(self) -> list[str]:
        return sorted({commit.author for commit in self.listed if commit.author})


def between(one: Release | None, other: Release) -> Commits:
    """As `of_pairs`, for one pair in either order."""
    return of_pairs([(one, other)])[0]


def of_pairs(pairs: Sequence[tuple[Release | None, Release]]) -> list[Commits]:
    """The commits of each pair of releases of one project, in two queries; what is asked for backwards is the same."""
    ordered = [_ordered(one, other) for one, other in pairs]
    places = _places([release for pair in ordered for release in pair if release])
    spans = [_span(older, newer, places) for older, newer in ordered]
    told = _told([(newer, span) for (_, newer), span in zip(ordered, spans, strict=True) if span])
    return [_commits(older, newer, span, told) for (older, newer), span in zip(ordered, spans, strict=True)]


def _ordered(one: Release | None, other: Release) -> tuple[Release | None, Release]:
    return (other, one) if one is not None and one.number > other.number else (one, other)


_Key = tuple[int, str, str]
_Span = tuple[int, int]


def _key(release: Release) -> _Key:
    return release.project_id, release.ref, release.sha


def _places(releases: Sequence[Release]) -> Mapping[_Key, int]:
    """Project, ref and commit → the first event that told of it there."""
    projects, shas = {r.project_id for r in releases}, {r.sha for r in releases}
    events = Event.objects.filter(project__in=projects, sha__in=shas, kind=EventKind.PUSH)
    found = events.values_list("project", "ref", "sha").annotate(first=Min("pk")).order_by()
    return {(project, ref, sha): first for project, ref, sha, first in found}


def _span(older: Release | None, newer: Release, places: Mapping[_Key, int]) -> _Span | None:
    """The events after the first and up to the second; None when they do not lie on one line."""
    if older is None or older.ref != newer.ref:
        return None
    first, last = places.get(_key(older)), places.get(_key(newer))
    return (first, last) if first is not None and last is not None and first <= last else None


def _told(spans: Sequence[tuple[Release, _Span]]) -> Mapping[tuple[int, str], _Told]:
    """Project and ref → event → what it told of its commits."""
    wanted = Q(pk__in=())
    for newer, (first, last) in spans:
        wanted |= Q(project=newer.project_id, ref=newer.ref, pk__gt=first, pk__lte=last)
    rows = Event.objects.filter(wanted, kind=EventKind.PUSH).order_by("-pk") if spans else Event.objects.none()
    values = rows.values_list("project", "ref", "pk", "sha", "title", "actor", "payload__commits")
    found: dict[tuple[int, str], dict[int, tuple[str, str, str, Any]]] = defaultdict(dict)
    for project, ref, pk, *row in values[: _EVENTS * len(spans)]:
        found[project, ref][pk] = (row[0], row[1], row[2], row[3])
    return found


def _commits(
    older: Release | None, newer: Release, span: _Span | None, told: Mapping[tuple[int, str], _Told]
) -> Commits:
    if span is None:
        own = [Commit(newer.sha, newer.title, newer.author)]
        return Commits(older, newer, own, 0, whole=older is None)
    events = told.get((newer.project_id, newer.ref), {})
    found: dict[str, Commit] = {}
    for pk in sorted((pk for pk in events if span[0] < pk <= span[1]), reverse=True):
        for commit in of_event(*events[pk]):
            found.setdefault(commit.sha, commit)
    listed = list(found.values())
    return Commits(older, newer, listed[:SHOWN], max(len(listed) - SHOWN, 0), whole=True)
