"""Where the steps of an attempt stand in its log: what a viewer folds by."""

from dataclasses import dataclass
from functools import lru_cache

from pipelines.logs import pages
from pipelines.logs.models import Log
from pipelines.runs.models import Attempt, Stage, Step


@dataclass(frozen=True, slots=True)
class StepMarks:
    """`begins` and `ends` are byte offsets, `row` is the first that begins in it; `ends`, `code` and `seconds` are None
    while the step runs."""

    position: int
    name: str
    begins: int
    ends: int | None
    code: int | None
    seconds: float | None
    row: int


def steps_of(log_id: int) -> tuple[StepMarks, ...]:
    """The steps so far of the attempt whose log it is; none for the log of a deploy."""
    attempt = Attempt.objects.filter(log_id=log_id).select_related("stage").first()
    if attempt is None:
        return ()
    return tuple(_marks(attempt.stage, step) for step in attempt.steps.order_by("position"))


def _marks(stage: Stage, step: Step) -> StepMarks:
    planned = stage.spec.get("steps", [])
    name = planned[step.position]["name"] if step.position < len(planned) else f"step {step.position + 1}"
    seconds = (step.finished_at - step.started_at).total_seconds() if step.finished_at else None
    row = _row(step.attempt.log_id, step.begins_at_byte)
    return StepMarks(step.position, name, step.begins_at_byte, step.ends_at_byte, step.exit_code, seconds, row)


@lru_cache(maxsize=4096)
def _row(log_id: int, offset: int) -> int:
    """Asked again with every piece of output; it never changes, for what is stored never does."""
    return pages.row_of_byte(Log.objects.get(pk=log_id), offset)
