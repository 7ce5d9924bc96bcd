"""Pure: what follows from where the stages of a run stand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.states.status import BAD, FINAL, Status, worst

ON_SUCCESS, ON_FAILURE = "succeeded", "failed"


@dataclass(frozen=True, slots=True)
class Standing:
    """One stage: its name, its status, the names of the stages that must have ended first, and how they may have:
    with success only, with a failure among them only, or either. A failure that is allowed counts as a success."""

    name: str
    status: str
    needs: Sequence[str]
    starts_on: Sequence[str] = (ON_SUCCESS,)
    allow_failure: bool = False


def ready(stages: Iterable[Standing]) -> list[str]:
    """Names of pending stages that nothing holds back any more."""
    stages = list(stages)
    lost, over = _lost(stages), _over(stages)
    return [
        stage.name
        for stage in stages
        if stage.status == Status.PENDING and over.issuperset(stage.needs) and _outcome(stage, lost) in stage.starts_on
    ]


def doomed(stages: Iterable[Standing]) -> dict[str, str]:
    """Pending stages that wait for a success that can no longer come → the stage that is to blame, over any hands."""
    stages = list(stages)
    lost = _lost(stages)
    return {
        stage.name: next(need for need in stage.needs if need in lost)
        for stage in stages
        if stage.status == Status.PENDING and stage.name in lost
    }


def unneeded(stages: Iterable[Standing]) -> list[str]:
    """Names of pending stages that wait for a failure which has not come."""
    stages = list(stages)
    lost, over = _lost(stages), _over(stages)
    return [
        stage.name
        for stage in stages
        if stage.status == Status.PENDING
        and ON_SUCCESS not in stage.starts_on
        and over.issuperset(stage.needs)
        and _outcome(stage, lost) == ON_SUCCESS
    ]


def is_due(stages: Iterable[Standing]) -> bool:
    """Whether anything follows that has not been done: a stage to start or to skip, or the verdict."""
    stages = list(stages)
    return bool(ready(stages) or doomed(stages) or unneeded(stages)) or verdict(stages) is not None


def verdict(stages: Iterable[Standing]) -> Status | None:
    """The run's final status; None while a stage is not final. A run in which nothing applied has succeeded."""
    stages = list(stages)
    if any(stage.status not in FINAL for stage in stages):
        return None
    ended = [Status.SUCCEEDED if _is_forgiven(s) else s.status for s in stages if s.status != Status.SKIPPED]
    return worst(ended) if ended else Status.SUCCEEDED


def _is_forgiven(stage: Standing) -> bool:
    return stage.allow_failure and stage.status in BAD


def _outcome(stage: Standing, lost: set[str]) -> str:
    return ON_FAILURE if any(need in lost for need in stage.needs) else ON_SUCCESS


def _lost(stages: Sequence[Standing]) -> set[str]:
    """Stages that did not succeed or never will. One that was skipped, or will be, passes on what it needed."""
    lost = {s.name for s in stages if s.status in BAD | {Status.CANCELLED} and not _is_forgiven(s)}
    while found := {s.name for s in stages if s.name not in lost and _hands_on(s) and lost.intersection(s.needs)}:
        lost |= found
    return lost


def _hands_on(stage: Standing) -> bool:
    return stage.status == Status.SKIPPED or (stage.status == Status.PENDING and ON_FAILURE not in stage.starts_on)


def _over(stages: Sequence[Standing]) -> set[str]:
    """Stages that have ended, with all that they needed: one may be skipped while another that it needed still runs."""
    needs: Mapping[str, Sequence[str]] = {s.name: s.needs for s in stages if s.status == Status.SKIPPED}
    over = {stage.name for stage in stages if stage.status in FINAL and stage.status != Status.SKIPPED}
    while found := {name for name in needs if name not in over and over.issuperset(needs[name])}:
        over |= found
    return over
