"""The audit: who did what, when and why; as a file; and whether the chain still holds."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.audit import queries
from pipelines.audit.models import Act
from pipelines.audit.queries import Search
from pipelines.probes import lifecycle as probes
from pipelines.probes import queries as questions
from pipelines.probes.models import Kind
from server import access
from server.web import fetching
from server.web.streams import streamed

PAGE = 100
COLUMNS = ("place", "at", "actor", "verb", "subject", "reason", "facts", "seal")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for more than text


@login_required
def audit(request: HttpRequest) -> HttpResponse:
    _check_operator(request)
    search, before = _search(request), fetching.whole_number(request.GET.get("before"))
    acts = queries.find(search)
    rows = list((acts.filter(pk__lt=before) if before else acts).order_by("-pk")[: PAGE + 1])
    page = {
        "subjects": "audit:0",
        "is_older": before is not None,
        "acts": rows[:PAGE],
        "older": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "search": search,
        "query": urlencode({name: request.GET[name] for name in Search.__slots__ if request.GET.get(name)}),
        "verbs": queries.verbs(),
        "check": questions.newest(Kind.AUDIT),
        "sealed": Act.objects.exclude(place=None).order_by("place").values_list("place", flat=True).last() or 0,
    }
    return render(request, "audit.html", page)


@login_required
def export(request: HttpRequest, form: str) -> StreamingHttpResponse:
    """What the page shows, all of it, the oldest first."""
    _check_operator(request)
    if form not in FORMS:
        raise Http404
    return exported(request, _search(request), form)


def exported(request: HttpRequest, search: Search, form: str) -> StreamingHttpResponse:
    """All acts that are sought, as a file in one of the FORMS."""
    write, content_type = FORMS[form]
    answer = streamed(request, write(queries.each(queries.find(search))), content_type)
    answer["Content-Disposition"] = f'attachment; filename="slipway-audit-{timezone.now():%Y-%m-%d}.{form}"'
    return answer


@login_required
@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """A control worker looks at the whole chain; the page shows what it finds."""
    _check_operator(request)
    probes.ask(Kind.AUDIT, 0, access.actor(request.user))
    return redirect("audit")


def _check_operator(request: HttpRequest) -> None:
    """Acts are of the whole server."""
    if not access.is_operator(request.user):
        raise PermissionDenied("to read the audit takes an operator")


def _search(request: HttpRequest) -> Search:
    said = {name: request.GET.get(name, "").replace("\0", "").strip()[:150] for name in ("actor", "about", "verb")}
    return Search(**said, since=_day(request.GET.get("since")), until=_day(request.GET.get("until")))


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _csv(acts: Iterator[Act]) -> Iterator[bytes]:
    yield _line(COLUMNS)
    for act in acts:
        row = _row(act)
        yield _line([_plain(json.dumps(row[name]) if name == "facts" else str(row[name] or "")) for name in COLUMNS])


def _line(cells: Any) -> bytes:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _json(acts: Iterator[Act]) -> Iterator[bytes]:
    yield b"["
    for place, act in enumerate(acts):
        yield (b",\n" if place else b"\n") + json.dumps(_row(act), ensure_ascii=False).encode()
    yield b"\n]\n"


def _row(act: Act) -> dict[str, Any]:
    return {name: getattr(act, name) for name in COLUMNS} | {"at": act.at.isoformat()}


FORMS: dict[str, tuple[Callable[[Iterator[Act]], Iterator[bytes]], str]] = {
    "csv": (_csv, "text/csv; charset=utf-8"),
    "json": (_json, "application/json"),
}
