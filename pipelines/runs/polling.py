"""When a project's code host is asked for its refs, by one at a time, and what came of it."""

from collections.abc import Mapping

from django.db.models import Case, F, When
from django.db.models.functions import Now

from pipelines.projects.models import Project
from pipelines.runs.models import Event, Poll
from pipelines.runs.receiving import found_refs
from pipelines.states import leases

LEASE_SECONDS = 60
AT_ONCE = 20  # of those that are due, so many are tried for before it is left to the others who ask


def claim_next() -> Poll | None:
    """The right to ask one project's code host now; None when none is due.

    Those that answered the last time go first, so that hosts that hang do not keep them; then who waits longest.
    """
    Poll.objects.bulk_create(
        [Poll(project=project) for project in Project.objects.filter(poll=None)], ignore_conflicts=True
    )
    troubled = Case(When(error="", then=0), default=1)
    due = Poll.objects.filter(due_at__lte=Now()).order_by(troubled, "due_at", "pk")
    for poll in due.select_related("project")[:AT_ONCE]:
        if _hold(poll, fence=F("fence") + 1):
            poll.fence += 1
            return poll
    return None


def answered(poll: Poll, refs: Mapping[str, str], again_seconds: float) -> list[Event]:
    """Start what `refs` bring and nobody announced. Raises LostLease for refs that are too old to be believed."""
    if not _hold(poll):
        raise leases.LostLease(f"another asks for the {poll} already")
    events = found_refs(poll.project, refs)
    _end(poll, "", again_seconds)
    return events


def unanswered(poll: Poll, why: str, again_seconds: float) -> None:
    """Keep the reason for the project's page until the next answer."""
    _end(poll, why, again_seconds)


def trouble(project: Project) -> str:
    """Why the project's code host could not be asked the last time; empty when it could, or never was."""
    return Poll.objects.filter(project=project).values_list("error", flat=True).first() or ""


def _hold(poll: Poll, **changes: object) -> bool:
    rows = Poll.objects.filter(pk=poll.pk, fence=poll.fence)
    return rows.update(due_at=leases.until(LEASE_SECONDS), **changes) == 1


def _end(poll: Poll, error: str, again_seconds: float) -> None:
    rows = Poll.objects.filter(pk=poll.pk, fence=poll.fence)
    rows.update(error=error, due_at=leases.until(again_seconds))
