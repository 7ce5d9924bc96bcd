"""Who did what, when and why; for operators."""

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from pipelines.audit import queries
from pipelines.audit.models import Act
from pipelines.audit.queries import Search
from server.api import description
from server.api.callers import require_operator
from server.api.paging import Page, Paging, portion
from server.api.shapes.words import Short

router = Router(tags=["Audit"])


class ActShape(Schema):
    """`place` and `seal` are its place in the hash chain; null and empty until it is sealed."""

    at: datetime
    actor: str
    verb: str
    subject: str
    reason: str
    facts: dict[str, Any]
    place: int | None
    seal: str


class WantedActs(Paging):
    """Texts that stand in the actor's name and in what it was about, the verb itself, and days."""

    actor: Short = ""
    about: Short = ""
    verb: Short = ""
    since: date | None = None
    until: date | None = None


@router.get("/audit", response=Page[ActShape], openapi_extra=description.forbidden())
def audit(request: HttpRequest, wanted: Query[WantedActs]) -> Page[ActShape]:
    """What people and Slipway did, newest first. It takes an operator."""
    require_operator(request, "read the audit")
    search = Search(wanted.actor, wanted.about, wanted.verb, wanted.since, wanted.until)
    rows = queries.find(search).order_by("-pk")
    if (before := wanted.before) is not None:
        rows = rows.filter(pk__lt=before)
    return portion(list(rows[: wanted.limit + 1]), wanted, lambda one: one.pk, _act)


def _act(row: Act) -> ActShape:
    return ActShape(
        at=row.at,
        actor=row.actor,
        verb=row.verb,
        subject=row.subject,
        reason=row.reason,
        facts=row.facts,
        place=row.place,
        seal=row.seal,
    )
