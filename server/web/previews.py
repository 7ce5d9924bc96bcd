"""What would change if a release were deployed to an environment now, and the button that does it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from pipelines.deploys.reads import previews
from server import access, sentences
from server.web import codehosts, fetching, permissions


@login_required
def preview(request: HttpRequest, project: str, name: str, number: int) -> HttpResponse:
    found = fetching.environment(request, project, name)
    release = get_object_or_404(found.project.releases.select_related("run", "artifact"), number=number)
    would = previews.preview(found, release, access.actor(request.user))
    page = {
        "environment": found,
        "project": found.project,
        "release": release,
        "would": would,
        "title": _title(would),
        "comparison": codehosts.comparison(found.project, would.commits),
        "strategy": sentences.strategy(would.strategy),
        "not_allowed": permissions.of(request.user, found.project),
        "subjects": f"environment:{found.pk} project:{found.project_id}",
    }
    return render(request, "preview.html", page)


def _title(would: previews.Preview) -> str:
    number, name = would.release.number, would.environment.name
    if would.impossible:
        return f"Release {number} cannot go to {name}"
    if would.environment.current == would.release:
        return f"Release {number} is live in {name}"
    if would.asks:
        return f"Release {number} needs people's agreement to go to {name}"
    return f"Release {number} would have to wait for {name}" if would.refusals else f"Release {number} may go to {name}"
