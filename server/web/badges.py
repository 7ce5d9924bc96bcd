"""Badges: small pictures of how a branch stands and what an environment runs, for pages elsewhere."""

import hashlib
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from pipelines.feeds import lifecycle
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from pipelines.states.status import Status
from server import access
from server.access import Act

SECONDS = 60  # so long others may show it without asking again
LONGEST = 60  # characters of each half
_HEIGHT, _SIDE = 20, 6
_NARROW, _WIDE = "iljtfrI.,:;'|!()[]{} ", "mwMW@%"
# Dark enough for white text on them, 4.5 to 1.
_COLOURS = {
    Status.SUCCEEDED: "#1a7f37",
    Status.FAILED: "#c0262d",
    Status.ERRORED: "#9a4a00",
    Status.RUNNING: "#0a66c2",
    Status.QUEUED: "#0a66c2",
}
_GREY = "#59636e"


@dataclass(frozen=True, slots=True)
class Badge:
    """Two halves, what and how; `colour` is that of the second. Widths in pixels."""

    label: str
    value: str
    colour: str

    @property
    def left(self) -> int:
        return _width(self.label)

    @property
    def right(self) -> int:
        return _width(self.value)

    @property
    def width(self) -> int:
        return self.left + self.right

    @property
    def middles(self) -> tuple[float, float]:
        return self.left / 2, self.left + self.right / 2


@require_safe
def of_ref(request: HttpRequest, project: str) -> HttpResponse:
    """How the last run of `ref` (full, or a branch; the default branch, when none is given) stands."""
    found = _project(request, project)
    asked = request.GET.get("ref", "")[:255].replace("\0", "")  # which no ref has, and PostgreSQL refuses
    ref = found.default_ref if not asked else asked if asked.startswith("refs/") else f"refs/heads/{asked}"
    run = Run.objects.filter(project=found, ref=ref).order_by("-number").only("status").first()
    label = request.GET.get("label", "") or ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return _answer(request, Badge(_cut(label), run.status if run else "no run", _colour(run.status if run else "")))


@require_safe
def of_environment(request: HttpRequest, project: str, name: str) -> HttpResponse:
    """Which release is live there."""
    found = _project(request, project)
    environment = found.environments.select_related("current").filter(name=name).first()
    if environment is None:
        raise Http404
    live = environment.current
    value = f"release {live.number} · {live.short_sha}" if live else "nothing yet"
    colour = _colour(Status.SUCCEEDED if live else "")
    return _answer(request, Badge(_cut(request.GET.get("label", "") or environment.name), value, colour))


def _project(request: HttpRequest, name: str) -> Project:
    """Raises Http404 to whom no badge of it is shown, as for one that is not there."""
    found = Project.objects.filter(name=name).first()
    if found is None:
        raise Http404
    if not access.may(request.user, Act.VIEW, found) and not lifecycle.opens(found, request.GET.get("key", "")):
        raise Http404
    return found


def _answer(request: HttpRequest, badge: Badge) -> HttpResponse:
    text = render_to_string("badge.svg", {"badge": badge}).encode()
    etag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    response = HttpResponse(text, content_type="image/svg+xml; charset=utf-8")
    response["ETag"] = etag
    response["Cache-Control"] = f"private, max-age={SECONDS}, must-revalidate"
    # It is shown inside other pages, and nothing in it is to be run where it is opened by itself.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return get_conditional_response(request, etag=etag, response=response) or response


def _colour(status: str) -> str:
    return _COLOURS.get(Status(status), _GREY) if status else _GREY


def _cut(text: str) -> str:
    clean = "".join(sign for sign in text if sign.isprintable())
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def _width(text: str) -> int:
    """Of 11 px Verdana, as browsers that have it or its like draw it; too wide rather than too narrow."""
    signs = sum(4.2 if sign in _NARROW else 10.8 if sign in _WIDE else 7.2 for sign in text)
    return round(signs) + 2 * _SIDE
