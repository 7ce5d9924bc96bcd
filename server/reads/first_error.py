"""Where a log first goes wrong."""

from dataclasses import dataclass

from pipelines.logs import pages, search
from pipelines.logs.models import Log
from server.live.steps import steps_of


@dataclass(frozen=True, slots=True)
class FirstError:
    """`row` is the first that speaks of an error, `step` the one that failed; None where there is none."""

    row: int | None
    step: str | None


def first_error(log: Log) -> FirstError:
    """Of a stage in which a step failed, within that step if there is one, else the row it begins at."""
    failed = next((step for step in steps_of(log.pk) if step.code), None)
    row = search.first_error(log, failed.row if failed else 0)
    if row is None and failed:
        row = failed.row
    return FirstError(row, failed.name if failed else None)


def line_of(log: Log, row: int) -> tuple[int, str]:
    """The number of the line in which a row stands, from 1, and the row's text as a reader sees it."""
    window = pages.window(log, row, 1)
    return window.place.line + 1, search.plain(window.data).decode(errors="replace")
