"""The nine words for where something stands."""

from collections.abc import Iterable

from django.db.models import TextChoices


class Status(TextChoices):
    PENDING = "pending"
    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERRORED = "errored"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


FINAL = frozenset(
    {Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.CANCELLED, Status.SKIPPED},
)

BAD = frozenset({Status.FAILED, Status.ERRORED})
UNFINISHED = [status for status in Status if status not in FINAL]  # said beside `finished_at=None`, an index is used

# From best to worst: what a whole says when its parts ended differently. Unknown is worse than a plain no.
_SEVERITY = (Status.SKIPPED, Status.SUCCEEDED, Status.CANCELLED, Status.FAILED, Status.ERRORED)


def worst(statuses: Iterable[str]) -> Status:
    """The verdict of a whole whose parts all are final; raises ValueError for none, or for one that is not."""
    return max((Status(status) for status in statuses), key=_SEVERITY.index)
