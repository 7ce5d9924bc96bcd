"""Whether a stage is for an event: `when` against what happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipelines.spec import expressions
from pipelines.spec.globs import holds, holds_any_path, matches
from pipelines.spec.model import When
from pipelines.spec.reference import CHOICES

__all__ = ["EVENTS", "Circumstances", "applies", "facts", "fitting", "matches", "matches_ref", "refusal"]

EVENTS = CHOICES["event"]
MAX_PATHS = 2000  # more is as good as everything
_BRANCH, _TAG = "refs/heads/", "refs/tags/"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What happened. `ref` and `target` (of a pull request: the branch it is for) are full refs.

    `paths` are those that changed; None, or more than MAX_PATHS, is "unknown": then every condition on paths holds.
    `parameters` are texts that `parameters.check` has passed.
    """

    event: str
    ref: str
    sha: str = ""
    paths: tuple[str, ...] | None = None
    message: str = ""
    author: str = ""
    target: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def knows_paths(self) -> bool:
        return self.paths is not None and len(self.paths) <= MAX_PATHS

    @property
    def branch(self) -> str:
        """The branch's short name. A pull request is code that is not on the branch yet: it has none."""
        on_branch = self.ref.startswith(_BRANCH) and self.event != "pull_request"
        return self.ref.removeprefix(_BRANCH) if on_branch else ""

    @property
    def tag(self) -> str:
        on_tag = self.ref.startswith(_TAG) and self.event != "pull_request"
        return self.ref.removeprefix(_TAG) if on_tag else ""


def applies(when: tuple[When, ...], circumstances: Circumstances, values: Mapping[str, str] | None = None) -> bool:
    """True if one of `when` agrees in all that it asks, or there is none; `values` are those of the matrix.

    The branch `refs/heads/x-v1` never matches a tag glob. `branch` and `tag` together mean either.
    """
    return not when or bool(fitting(when, circumstances, values or {}))


def fitting(when: tuple[When, ...], circumstances: Circumstances, values: Mapping[str, str]) -> tuple[When, ...]:
    """Those of `when` that agree."""
    return tuple(each for each in when if not _disagreement(each, circumstances, values))


def refusal(when: tuple[When, ...], circumstances: Circumstances, values: Mapping[str, str]) -> str:
    """Why none of `when` agrees, in words; empty if one does or there is none."""
    if applies(when, circumstances, values):
        return ""
    reasons = dict.fromkeys(_disagreement(each, circumstances, values) for each in when)
    return " and ".join(reasons)


def facts(circumstances: Circumstances, values: Mapping[str, str]) -> dict[str, str]:
    """What `if` and `${{ … }}` can ask, by name."""
    given = {
        "event": circumstances.event,
        "branch": circumstances.branch,
        "tag": circumstances.tag,
        "ref": circumstances.ref,
        "sha": circumstances.sha,
        "message": circumstances.message,
        "author": circumstances.author,
        "target": circumstances.target.removeprefix(_BRANCH),
    }
    given |= {f"parameters.{name}": value for name, value in circumstances.parameters.items()}
    return given | {f"matrix.{axis}": value for axis, value in values.items()}


def matches_ref(ref: str, *, branches: Iterable[str] = (), tags: Iterable[str] = ()) -> bool:
    """True if a full ref is a branch that one of `branches` matches, or a tag that one of `tags` matches."""
    if ref.startswith(_BRANCH):
        return any(matches(glob, ref.removeprefix(_BRANCH)) for glob in branches)
    if ref.startswith(_TAG):
        return any(matches(glob, ref.removeprefix(_TAG)) for glob in tags)
    return False


def _disagreement(when: When, circumstances: Circumstances, values: Mapping[str, str]) -> str:
    if when.events and circumstances.event not in when.events:
        return f"the event is {circumstances.event}"
    if (when.branches or when.tags) and not _ref_agrees(when, circumstances):
        return f"{circumstances.ref} is not meant"
    if when.paths and circumstances.knows_paths and not holds_any_path(when.paths, circumstances.paths or ()):
        return "no file in its `paths` changed"
    if when.condition and not expressions.read(when.condition).holds(facts(circumstances, values)):
        return "its `if` does not hold"
    return ""


def _ref_agrees(when: When, circumstances: Circumstances) -> bool:
    branch, tag = circumstances.branch, circumstances.tag
    on_branch = bool(when.branches and branch) and holds(when.branches, branch)
    return on_branch or (bool(when.tags and tag) and holds(when.tags, tag))
