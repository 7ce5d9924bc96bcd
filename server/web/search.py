"""Search over what a person may see; names at once, the text of logs as far back as there was time for."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from pipelines.finding import Kind, Look, Matched, find
from pipelines.finding.everywhere import MAX_TEXT, NAMES
from pipelines.finding.lines import LEAST, Busy
from server import access

EACH = 8  # names of a kind on the page of all
MANY = 50  # of the one kind that was chosen
_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Place:
    """A log in which the text stands, as the page names it and where its viewer shows it."""

    matched: Matched
    words: str
    url: str


@login_required
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """`?q=`, perhaps of one `kind`. To script the logs come after the names; without, a link leads to them."""
    text = _text(request)
    kind = _kind(request)
    kinds = NAMES & {kind} if kind else NAMES  # the logs are looked through once, below
    projects = access.visible_projects(request.user)
    page: dict[str, object] = {
        "q": text,
        "kind": kind,
        "kinds": [one for one in Kind if one != Kind.LOGS],
        "found": find(projects, text, kinds, MANY if kind else EACH),
        "least": LEAST,
        "asks_logs": len(text) >= LEAST and kind in (None, Kind.LOGS),
        "each": MANY if kind else EACH,
    }
    if kind == Kind.LOGS:
        page |= _logs(request, text)
    return render(request, "search.html", page)


@login_required
@require_safe
def logs(request: HttpRequest) -> HttpResponse:
    """Lines of logs, for script: the next look comes in the place of this one's last element."""
    text = _text(request)
    return render(request, "parts/found_lines.html", {"q": text, **_logs(request, text)})


def _logs(request: HttpRequest, text: str) -> dict[str, object]:
    before = _before(request)
    try:
        look = find(access.visible_projects(request.user), text, {Kind.LOGS}, before=before).logs
    except Busy as busy:
        return {"look": Look(before=before), "busy": str(busy), "places": [], "goes_on": before is not None}
    look = look or Look()
    return {"look": look, "busy": "", "places": _places(look.matched), "goes_on": before is not None}


def _places(found: Sequence[Matched]) -> list[Place]:
    return [Place(one, _words(one), _url(one)) for one in found]


def _words(matched: Matched) -> str:
    owner = matched.owner
    if owner.run is not None:
        service = f", service {owner.service}" if owner.service else ""
        again = f", attempt {owner.attempt}" if owner.attempt > 1 else ""
        return f"{owner.project} run {owner.run}, {owner.stage}{service}{again}"
    return f"{owner.project} deploy {owner.deploy}{f', {owner.host}' if owner.host else ''}"


def _url(matched: Matched) -> str:
    """Where the log's viewer shows it; a line is `#L` and its number."""
    owner = matched.owner
    if owner.run is None:
        return f"{reverse('deploy', args=[owner.project, owner.deploy])}?{urlencode({'host': owner.host or '-'})}"
    asked = {"stage": owner.stage, "attempt": str(owner.attempt)}
    service = {"service": owner.service} if owner.service else {}
    return f"{reverse('run', args=[owner.project, owner.run])}?{urlencode({**asked, **service})}"


def _text(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\0", "").strip()[:MAX_TEXT]


def _kind(request: HttpRequest) -> Kind | None:
    given = request.GET.get("kind", "")
    return Kind(given) if given in set(Kind) else None


def _before(request: HttpRequest) -> int | None:
    given = request.GET.get("before", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX else None
