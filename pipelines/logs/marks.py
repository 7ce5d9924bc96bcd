"""Pure: where the steps of a log begin and end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepMark:
    """Where a step began or ended. Whatever runs in the container can forge one: it folds a log and decides nothing.

    `position` counts the steps from 0; `offset` the bytes of masked log before the mark.
    """

    position: int
    offset: int
    begins: bool
    exit_code: int | None = None
