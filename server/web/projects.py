"""A project's page: its runs, what is live where, how its code host is told to call."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from pipelines.deploys.reads import queries as deploys
from pipelines.projects.models import Project
from pipelines.runs import polling
from pipelines.runs import queries as runs
from server.web import fetching, permissions, pictures

PAGE = 30


@login_required
def project(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project)
    ref, before = request.GET.get("ref", ""), fetching.whole_number(request.GET.get("before"))
    listed = runs.newest(found, ref, before, PAGE + 1)
    shelf = deploys.shelves([found], 22)[found.pk]
    page = {
        "project": found,
        "runs": listed[:PAGE],
        "older": listed[PAGE - 1].number if len(listed) > PAGE else None,
        "ref": ref,
        "refs": runs.refs(found),
        "line": (line := runs.lines([found])[found.pk]),
        "ribs": pictures.ribs(line.runs),
        "shelf": shelf,
        "ruler": pictures.ruler(shelf, width=606, pitch=46) if shelf.releases else None,
        "deploys": deploys.newest([found], 8),
        "poll_error": polling.trouble(found),
        "hook": _hook(request, found),
        "subjects": f"project:{found.pk}",
    }
    return render(request, "project.html", page)


def _hook(request: HttpRequest, project: Project) -> dict[str, str] | None:
    """Where the code host is to call and with which secret; None for all but owners."""
    if "administer" in permissions.of(request.user, project):
        return None
    url = settings.SLIPWAY_URL + reverse("github-webhook", args=[project.name])
    return {"url": url, "secret": project.webhook_secret}
