"""Pure: what follows from where the stages of a run stand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.states.status import FINAL, Status, worst


@dataclass(frozen=True, slots=True)
class Standing:
    """One stage: its name, its status, the names of the stages that must succeed first."""

    name: str
    status: str
    needs: Sequence[str]


def ready(stages: Iterable[Standing]) -> list[str]:
    """Names of pending stages that nothing holds back any more."""
    stages = list(stages)
    good = {stage.name for stage in stages if stage.status == Status.SUCCEEDED}
    return [s.name for s in stages if s.status == Status.PENDING and good.issuperset(s.needs)]


def doomed(stages: Iterable[Standing]) -> dict[str, str]:
    """Pending stages that can never start → the stage each waited for in vain, over any number of hands."""
    stages = list(stages)
    lost = {s.name for s in stages if s.status in FINAL and s.status != Status.SUCCEEDED}
    fallen: dict[str, str] = {}
    while found := _next_doomed(stages, lost, fallen):
        fallen |= found
        lost |= found.keys()
    return fallen


def _next_doomed(stages: Sequence[Standing], lost: set[str], known: Mapping[str, str]) -> dict[str, str]:
    return {
        stage.name: cause
        for stage in stages
        if stage.status == Status.PENDING and stage.name not in known
        for cause in [next((need for need in stage.needs if need in lost), None)]
        if cause is not None
    }


def is_due(stages: Iterable[Standing]) -> bool:
    """Whether anything follows that has not been done: a stage to queue or to skip, or the verdict."""
    stages = list(stages)
    return bool(ready(stages) or doomed(stages)) or verdict(stages) is not None


def verdict(stages: Iterable[Standing]) -> Status | None:
    """The run's final status; None while a stage is not final. A run in which nothing applied has succeeded."""
    statuses = [stage.status for stage in stages]
    if any(status not in FINAL for status in statuses):
        return None
    ended = [status for status in statuses if status != Status.SKIPPED]
    return worst(ended) if ended else Status.SUCCEEDED
