"""When a project's code host is asked for its refs, by one at a time, and what came of it."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Case, F, When
from django.db.models.functions import Now
from django.utils import timezone

from pipelines.projects.models import Project
from pipelines.runs.models import Event, EventKind, Poll, Tip
from pipelines.runs.receiving import MAX_REF, Incoming, is_known, receive
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


def found_refs(project: Project, refs: Mapping[str, str]) -> list[Event]:
    """Start what no webhook announced: `refs` (full name → commit) is what the code host has now.

    The first look at a project only notes where its refs stand: old commits are not news. What appears later is, even
    where there was nothing at all before.
    """
    has_looked = Poll.objects.filter(project=project).exclude(looked_at=None).exists()
    tips = dict(Tip.objects.filter(project=project).values_list("ref", "sha"))
    moved = {ref: sha for ref, sha in refs.items() if tips.get(ref) != sha and len(ref) <= MAX_REF}
    news = sorted(moved.items()) if has_looked else []
    events = [_found(project, ref, tips.get(ref, ""), sha) for ref, sha in news]
    with transaction.atomic():
        Poll.objects.bulk_create(
            [Poll(project=project, looked_at=timezone.now())],
            update_conflicts=True,
            unique_fields=["project"],
            update_fields=["looked_at"],
        )
        Tip.objects.bulk_create(
            [Tip(project=project, ref=ref, sha=sha) for ref, sha in moved.items()],
            update_conflicts=True,
            unique_fields=["project", "ref"],
            update_fields=["sha"],
        )
        Tip.objects.filter(project=project, ref__in=tips.keys() - refs.keys()).delete()
    return [event for event in events if event is not None]


def _found(project: Project, ref: str, before: str, sha: str) -> Event | None:
    kind = EventKind.TAG if ref.startswith("refs/tags/") else EventKind.PUSH
    why = "found by asking the code host: no webhook had announced it"
    incoming = Incoming(kind=kind, name="poll", ref=ref, before=before, sha=sha, why=why)
    return None if is_known(project, incoming) else receive(project, incoming).event


def _hold(poll: Poll, **changes: object) -> bool:
    rows = Poll.objects.filter(pk=poll.pk, fence=poll.fence)
    return rows.update(due_at=leases.until(LEASE_SECONDS), **changes) == 1


def _end(poll: Poll, error: str, again_seconds: float) -> None:
    rows = Poll.objects.filter(pk=poll.pk, fence=poll.fence)
    rows.update(error=error, due_at=leases.until(again_seconds))
