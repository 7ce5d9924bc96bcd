"""Whether a stage is for an event: `when` against the kind of the event and the full ref it happened on."""

from collections.abc import Iterable

from pipelines.spec.model import When

EVENTS = ("push", "tag", "pull_request", "manual", "schedule")
_BRANCH, _TAG = "refs/heads/", "refs/tags/"


def applies(when: When, event_kind: str, ref: str) -> bool:
    """True if every part of `when` that says something agrees; `branch` and `tag` together mean either.

    `ref` is a full ref: the branch `refs/heads/x-v1` never matches a tag glob. A pull request is code that is
    not on the branch yet, so it matches no branch and no tag, whatever its own branch is called.
    """
    if when.events and event_kind not in when.events:
        return False
    if not when.branches and not when.tags:
        return True
    return event_kind != "pull_request" and matches_ref(ref, branches=when.branches, tags=when.tags)


def matches_ref(ref: str, *, branches: Iterable[str] = (), tags: Iterable[str] = ()) -> bool:
    """True if a full ref is a branch that one of `branches` matches, or a tag that one of `tags` matches."""
    if ref.startswith(_BRANCH):
        return any(matches(glob, ref.removeprefix(_BRANCH)) for glob in branches)
    if ref.startswith(_TAG):
        return any(matches(glob, ref.removeprefix(_TAG)) for glob in tags)
    return False


def matches(glob: str, name: str) -> bool:
    """`*` is any text without `/`, `**` any text, `?` one character but `/`; the rest stands for itself.

    Time is bounded by len(glob) × len(name), whatever the glob: all places that can be reached are followed at
    once instead of one after the other.
    """
    tokens = _tokens(glob)
    reached = _skip_stars(tokens, {0})
    for char in name:
        reached = _skip_stars(tokens, _step(tokens, reached, char))
    return len(tokens) in reached


def _tokens(glob: str) -> list[str]:
    tokens: list[str] = []
    for char in glob:
        if char == "*" and tokens and tokens[-1] in ("*", "**"):
            tokens[-1] = "**"
        else:
            tokens.append(char)
    return tokens


def _step(tokens: list[str], reached: set[int], char: str) -> set[int]:
    moved = set()
    for place in reached:
        token = tokens[place] if place < len(tokens) else ""
        if token == "**" or (token == "*" and char != "/"):
            moved.add(place)
        elif token == char or (token == "?" and char != "/"):
            moved.add(place + 1)
    return moved


def _skip_stars(tokens: list[str], reached: set[int]) -> set[int]:
    """Stars may stand for nothing."""
    result = set(reached)
    for start in reached:
        after = start
        while after < len(tokens) and tokens[after] in ("*", "**"):
            after += 1
            result.add(after)
    return result
