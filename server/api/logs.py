"""Logs: how long one is, its text, and its text as it grows."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from pipelines.logs import pages
from server import fetching
from server.api import description
from server.api.callers import caller
from server.web.logs import text_of

router = Router(tags=["Logs"])
TEXT = description.ranged("text/plain", "The text")


class LogShape(Schema):
    id: int
    bytes: int
    is_complete: bool
    lines: int


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
