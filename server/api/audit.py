"""Who did what, when and why; for operators."""

from datetime import date, datetime
from typing import Any

from django.http import Http404, HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from ninja import Status as Answer

from pipelines.audit import queries
from pipelines.audit.models import Act
from pipelines.audit.queries import Search
from pipelines.probes import lifecycle
from pipelines.probes import queries as questions
from pipelines.probes.models import Kind
from server.api import description
from server.api.callers import actor, require_operator
from server.api.paging import Page, Paging, portion
from server.api.shapes.probes import ProbeShape, probe
from server.api.shapes.words import Short
from server.downloads.acts import exported

router = Router(tags=["Audit"])
ACTS = {"type": "array", "items": {"$ref": "#/components/schemas/ActShape"}}
CSV = description.forbidden(description.raw("text/csv", "A line with the names of the columns, then a line for each"))
JSON = description.forbidden(description.raw("application/json", "The acts", ACTS))
ABSENT = description.forbidden(description.absent())


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


class SoughtActs(Schema):
    """Texts that stand in the actor's name and in what it was about, the verb itself, and days."""

    actor: Short = ""
    about: Short = ""
    verb: Short = ""
    since: date | None = None
    until: date | None = None

    @property
    def search(self) -> Search:
        return Search(self.actor, self.about, self.verb, self.since, self.until)


class WantedActs(Paging, SoughtActs):
    """A portion of them."""


@router.get("/audit", response=Page[ActShape], openapi_extra=description.forbidden())
def audit(request: HttpRequest, wanted: Query[WantedActs]) -> Page[ActShape]:
    """What people and Slipway did, newest first. It takes an operator."""
    require_operator(request, "read the audit")
    rows = queries.find(wanted.search).order_by("-pk")
    if (before := wanted.before) is not None:
        rows = rows.filter(pk__lt=before)
    return portion(list(rows[: wanted.limit + 1]), wanted, lambda one: one.pk, _act)


@router.get("/audit/export.csv", response={200: None}, openapi_extra=CSV)
def audit_as_csv(request: HttpRequest, sought: Query[SoughtActs]) -> StreamingHttpResponse:
    """All acts that are sought, the oldest first, for a spreadsheet. It takes an operator."""
    require_operator(request, "read the audit")
    return exported(request, sought.search, "csv")


@router.get("/audit/export.json", response={200: None}, openapi_extra=JSON)
def audit_as_json(request: HttpRequest, sought: Query[SoughtActs]) -> StreamingHttpResponse:
    """All acts that are sought, the oldest first, in one list. It takes an operator."""
    require_operator(request, "read the audit")
    return exported(request, sought.search, "json")


@router.post("/audit/verification", response={202: ProbeShape})
def verify_audit(request: HttpRequest) -> Answer[ProbeShape]:
    """Let a control worker look at the whole chain. It takes an operator."""
    require_operator(request, "verify the audit")
    return Answer(202, probe(lifecycle.ask(Kind.AUDIT, 0, actor(request))))


@router.get("/audit/verification", response=ProbeShape, openapi_extra=ABSENT)
def audit_verification(request: HttpRequest) -> ProbeShape:
    """The newest look at the chain: `answer` has how many acts `held` and, when it is broken, the `fault`. It takes an
    operator; 404 before the first."""
    require_operator(request, "read the audit")
    if (found := questions.newest(Kind.AUDIT)) is None:
        raise Http404
    return probe(found)


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
