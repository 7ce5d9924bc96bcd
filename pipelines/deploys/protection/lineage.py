"""Pure: which pushes lie between two commits, to whichever branches, by what the code host told of each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Push:
    """Who moved a ref from `before` to `sha`; `commits` are those that came, the oldest first, each with its author's
    name at the code host."""

    sha: str
    before: str
    actor: str
    actor_id: int | None
    commits: tuple[tuple[str, str], ...]


def between(pushes: Sequence[Push], older: str, newer: str) -> list[Push]:
    """Those of `pushes`, the earliest first, that are in the history of the newer commit and, as a whole, not of the
    older one."""
    tips, listing = defaultdict[str, list[int]](list), dict[str, int]()
    for place, push in enumerate(pushes):
        tips[push.sha].append(place)
        for sha, _ in push.commits:
            listing.setdefault(sha, place)
    had, has = (_reached(pushes, tips, listing, start) for start in (older, newer))
    return [pushes[place] for place in sorted(has) if has[place] > had.get(place, -1)]


def _reached(
    pushes: Sequence[Push], tips: Mapping[str, Sequence[int]], listing: Mapping[str, int], start: str
) -> dict[int, int]:
    """Place of a push → how many of its commits are in the history of `start`."""
    found, seen, todo = dict[int, int](), set[str](), [start]
    while todo:
        sha = todo.pop()
        if sha in seen:
            continue
        seen.add(sha)
        for place in tips.get(sha) or ([listing[sha]] if sha in listing else []):
            listed = [commit for commit, _ in pushes[place].commits]
            taken = listed if sha == pushes[place].sha else listed[: listed.index(sha) + 1]
            found[place] = max(found.get(place, 0), len(taken))
            todo += [pushes[place].before, *taken]
    return found
