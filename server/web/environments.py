"""An environment's page: what is live, how to undo it, what could come next."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.deploys import queries, requests, rollbacks
from pipelines.deploys.models import Deploy, Environment
from pipelines.errors import UserError
from server import access
from server.access import Act
from server.web import fetching, permissions, pictures, sentences
from server.web.drawings.ruler import Ruler


@login_required
def environment(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    hosts = queries.hosts(found)
    waiting = queries.waiting(found)
    page = {
        "environment": found,
        "project": found.project,
        "title": _title(found, hosts, waiting),
        "siblings": queries.environments(found.project),
        "live": queries.live_deploy(found),
        "ruler": _ruler(found),
        "way": queries.way_back(found, fetching.whole_number(request.GET.get("to"))),
        "hosts": hosts,
        "healthy": sum(stand.host.healthy is True for stand in hosts),
        "waiting": waiting,
        "under_way": rollbacks.under_way(waiting),
        "history": queries.history(found),
        "deploys": queries.deploys_to(found),
        "not_allowed": permissions.of(request.user, found.project),
        "subjects": f"environment:{found.pk} project:{found.project_id}",
    }
    return render(request, "environment.html", page)


@login_required
@require_POST
def deploy(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name, Act.DEPLOY)
    release = get_object_or_404(found.project.releases, number=_number(request))
    try:
        made = requests.request(found, release, access.actor(request.user), request.POST.get("why", ""))
    except UserError as error:
        return _refused(request, found, error)
    return redirect("deploy", project, made.number)


@login_required
@require_POST
def roll_back(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name, Act.ROLL_BACK)
    release = get_object_or_404(found.project.releases, number=_number(request))
    try:
        _check_seen(found, fetching.whole_number(request.POST.get("live")))
        made = rollbacks.roll_back(found, release, access.actor(request.user), request.POST.get("why", ""))
    except UserError as error:
        return _refused(request, found, error)
    return redirect("deploy", project, made.number)


class Moved(UserError):
    """What is live is not what the person was shown; they have to look again."""


def _check_seen(environment: Environment, seen: int | None) -> None:
    live = environment.current.number if environment.current else None
    if seen != live:
        raise Moved(f"{environment.name} runs release {live} now, not {seen}: look again, then decide")


def _number(request: HttpRequest) -> int:
    return fetching.whole_number(request.POST.get("release")) or 0


def _refused(request: HttpRequest, environment: Environment, error: UserError) -> HttpResponse:
    messages.error(request, f"Nothing was started: {error}.")
    return redirect("environment", environment.project.name, environment.name)


def _title(environment: Environment, hosts: list[queries.Stand], waiting: list[Deploy]) -> str:
    live = environment.current.number if environment.current else None
    unhealthy = sum(stand.host.healthy is False for stand in hosts)
    running = [f"{deploy.kind} {deploy.number}" for deploy in waiting if deploy.status == "running"]
    return sentences.environment(environment.name, live, unhealthy, "".join(running[:1]))


def _ruler(environment: Environment) -> Ruler | None:
    shelf = queries.shelves([environment.project], 13)[environment.project_id]
    return pictures.ruler(shelf, width=606, pitch=46) if shelf.releases else None
