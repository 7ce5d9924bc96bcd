"""Pure: does a rule want to hear of it?"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.notifications.models import Rule, Topic
from pipelines.spec.globs import matches
from pipelines.states.status import BAD, Status

OF_RUNS = frozenset({Topic.RUN_FAILED, Topic.RUN_SUCCEEDED, Topic.RUN_ASKS})
ON_CHANGE = frozenset({Topic.RUN_FAILED, Topic.RUN_SUCCEEDED})  # what a rule may ask to hear of only when it is new


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, where: `ref` in full for a run, `environment` for the rest.

    `is_change`: the ref was fine before and is not any more, or the other way round.
    """

    topic: Topic
    ref: str = ""
    default_ref: str = ""
    environment: str = ""
    is_change: bool = True


def wants(rule: Rule, happened: Happening) -> bool:
    if happened.topic not in rule.topics:
        return False
    if happened.topic not in OF_RUNS:
        return not rule.environments or happened.environment in rule.environments
    if happened.topic in ON_CHANGE and rule.only_changes and not happened.is_change:
        return False
    return _is_of(rule.refs, happened)


def is_change(status: str, before: str | None, is_overtaken: bool) -> bool:
    """Whether a verdict is news for its ref: `before` is the verdict of the run before it, None without any.

    The first run that succeeds is no news, the first that fails is. A run that ends after a later one has its verdict
    is overtaken, and changes nothing.
    """
    if is_overtaken:
        return False
    if status in BAD:
        return before not in BAD
    return status == Status.SUCCEEDED and before in BAD


def full(glob: str) -> str:
    """A glob that does not begin with refs/ is of branches."""
    return glob if glob.startswith("refs/") else f"refs/heads/{glob}"


def _is_of(refs: Sequence[str], happened: Happening) -> bool:
    if not refs:
        return happened.ref == happened.default_ref
    return any(matches(full(glob), happened.ref) for glob in refs)
