"""Logs: how long one is, its text, and where in it something stands."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from pipelines import finding
from pipelines.logs import pages
from server import fetching
from server.api import description
from server.api.callers import caller
from server.api.paging import Page, Paging
from server.api.shapes.lines import LineShape, line
from server.api.shapes.words import Short
from server.downloads.logs import text_of
from server.reads import first_error as errors

router = Router(tags=["Logs"])
CUT = 1000  # characters of a line
TEXT = description.ranged("text/plain", "The text")


class LogShape(Schema):
    id: int
    bytes: int
    is_complete: bool
    lines: int


class ErrorShape(Schema):
    """`line` is the first that speaks of an error, a guess by its words, and within the `step` that failed, if one
    did; null where there is none."""

    line: int | None
    text: str
    step: str | None


class WantedLines(Paging):
    """Those in which `q` stands, whatever its case."""

    limit: int = Field(20, ge=1, le=50)
    q: Short = Field(min_length=1, examples=["timeout"])


@router.get("/logs/{int:log}", response=LogShape)
def log(request: HttpRequest, log: int) -> LogShape:
    """How long a log is, and whether more may come."""
    found = fetching.log(caller(request), log)
    return LogShape(
        id=found.pk, bytes=found.size, is_complete=found.closed_at is not None, lines=pages.totals(found)[1]
    )


@router.get("/logs/{int:log}.txt", response={200: None}, openapi_extra=TEXT)
def log_text(request: HttpRequest, log: int) -> HttpResponse:
    """A log as text, masked as it was stored; with a `Range` of bytes a part of it."""
    return cast(HttpResponse, text_of(request, fetching.log(caller(request), log)))


@router.get("/logs/{int:log}/find", response=Page[LineShape])
def find_in_log(request: HttpRequest, log: int, wanted: Query[WantedLines]) -> Page[LineShape]:
    """Lines of a log in which a text stands, as a reader sees it: without colours, in its order, long ones cut."""
    rows, following = finding.in_log(fetching.log(caller(request), log), wanted.q, wanted.limit, wanted.before or 0)
    return Page(items=[line(one) for one in rows], next=str(following) if following is not None else None)


@router.get("/logs/{int:log}/first-error", response=ErrorShape)
def first_error(request: HttpRequest, log: int) -> ErrorShape:
    """Where a log first went wrong."""
    found = fetching.log(caller(request), log)
    first = errors.first_error(found)
    line_of_it, text = errors.line_of(found, first.row) if first.row is not None else (None, "")
    return ErrorShape(line=line_of_it, text=text[:CUT], step=first.step)
