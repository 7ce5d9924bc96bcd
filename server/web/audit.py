"""The audit: who did what, when and why; as a file; and whether the chain still holds."""

from datetime import date
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from pipelines.audit import queries
from pipelines.audit.models import Act
from pipelines.audit.queries import Search
from pipelines.probes import lifecycle as probes
from pipelines.probes import queries as questions
from pipelines.probes.models import Kind
from server import access
from server.downloads.acts import FORMS, exported
from server.web import fetching

PAGE = 100


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
