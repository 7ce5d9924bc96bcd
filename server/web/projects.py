"""A project's page: its runs, what is live where, how its code host is told to call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from pipelines.deploys.reads import queries as deploys
from pipelines.projects.models import Project
from pipelines.runs import listing, polling
from pipelines.runs import queries as runs
from pipelines.runs.listing import Wanted
from pipelines.runs.models import EventKind
from pipelines.states.status import Status
from server.web import fetching, permissions, pictures

PAGE = 30
# Those that start runs.
KINDS = (EventKind.PUSH, EventKind.TAG, EventKind.PULL_REQUEST, EventKind.MANUAL, EventKind.SCHEDULE, EventKind.API)


@dataclass(frozen=True, slots=True)
class Tab:
    """A way to look at the runs that is asked for often."""

    name: str
    query: str
    is_current: bool


@login_required
def project(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project)
    wanted, before = _wanted(request), fetching.whole_number(request.GET.get("before"))
    listed = listing.page(found, wanted, before, PAGE + 1)
    not_allowed = permissions.of(request.user, found)
    shelf = deploys.shelves([found], 22)[found.pk]
    page = {
        "project": found,
        "runs": listed[:PAGE],
        "older": _query(wanted, before=str(listed[PAGE - 1].number)) if len(listed) > PAGE else "",
        "newest": _query(wanted) if before is not None else "",
        "wanted": wanted,
        "tabs": _tabs(found, wanted),
        "choices": listing.choices(found),
        "kinds": KINDS,
        "statuses": Status.values,
        "line": (line := runs.lines([found])[found.pk]),
        "ribs": pictures.ribs(line.runs),
        "shelf": shelf,
        "ruler": pictures.ruler(shelf, width=606, pitch=46) if shelf.releases else None,
        "deploys": deploys.newest([found], 8),
        "poll_error": polling.trouble(found),
        "hook": _hook(not_allowed, found),
        "subjects": f"project:{found.pk}",
    }
    return render(request, "project.html", page)


def _wanted(request: HttpRequest) -> Wanted:
    """From the address; what cannot be stored in any row is left out."""
    given = {name: request.GET.get(name, "").replace("\0", "") for name in ("ref", "status", "kind", "author")}
    return Wanted(**given)


def _query(wanted: Wanted, **more: str) -> str:
    """The query string of a page of these runs, `?` included."""
    given = {"ref": wanted.ref, "status": wanted.status, "kind": wanted.kind, "author": wanted.author, **more}
    return "?" + urlencode({name: value for name, value in given.items() if value})


def _tabs(project: Project, wanted: Wanted) -> Sequence[Tab]:
    looks = (
        ("All", Wanted()),
        (project.default_branch, Wanted(ref=project.default_ref)),
        ("Pull requests", Wanted(kind=EventKind.PULL_REQUEST.value)),
        ("Tags", Wanted(kind=EventKind.TAG.value)),
        ("Failed", Wanted(status=Status.FAILED.value)),
    )
    return [Tab(name, _query(look), look == wanted) for name, look in looks]


def _hook(not_allowed: Mapping[str, str], project: Project) -> dict[str, str] | None:
    """Where the code host is to call and with which secret; None for all but owners."""
    if "administer" in not_allowed:
        return None
    url = settings.SLIPWAY_URL + reverse("github-webhook", args=[project.name])
    return {"url": url, "secret": project.webhook_secret}
