"""Which queued stage is next: what may begin now, on a runner with these labels, and whose turn it is."""

from collections import Counter
from collections.abc import Collection

from django.db.models import Q, QuerySet

from pipelines.runs import groups
from pipelines.runs.models import Stage
from pipelines.states import leases
from pipelines.states.status import Status

_FIELDS = ("pk", "run_id", "position", "labels", "group", "run__group", "run__project_id", "run__entered_at")


def next_stage(labels: Collection[str], tried: Collection[int] = ()) -> int | None:
    """The stage to claim: of the run that holds the fewest workers, of equals the oldest, the first in its file."""
    waiting = [row for row in open_stages(tried) if set(row[3]) <= set(labels)]
    if not waiting:
        return None
    held = Counter(Stage.objects.filter(status=Status.RUNNING, finished_at=None).values_list("run_id", flat=True))
    first: int = min(waiting, key=lambda row: (held[row[1]], row[1], row[2]))[0]
    return first


def due_stages(at_most: int) -> list[int]:
    """Stages that some runner could begin now, the oldest first, whatever labels they ask for."""
    return [row[0] for row in sorted(open_stages())[:at_most]]


def open_stages(tried: Collection[int] = ()) -> list[tuple[int, int, int, list[str]]]:
    """Id, run, position and labels of each queued stage that no group and no pause holds back."""
    rows = list(_queued().exclude(pk__in=tried).values_list(*_FIELDS))
    stages = groups.stages_ahead({(row[6], row[4]) for row in rows if row[4]})
    runs = groups.runs_ahead({(row[6], row[5]) for row in rows if row[5] and row[7] is None})
    return [row[:4] for row in rows if row[0] not in stages and row[1] not in runs]


def _queued() -> QuerySet[Stage]:
    ripe = Q(ready_at=None) | leases.passed("ready_at")
    return Stage.objects.filter(ripe, status=Status.QUEUED, finished_at=None, run__cancel_requested_at=None)
