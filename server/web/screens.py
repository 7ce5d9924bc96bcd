"""The screens on walls that a person has paired: pairing one by its code, and revoking it."""

from collections.abc import Sequence

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.projects.models import Project
from pipelines.screens import lifecycle
from pipelines.screens.lifecycle import BadCode
from server import access


@login_required
def screens(request: HttpRequest) -> HttpResponse:
    """A list and a form; by POST a screen is paired."""
    owned = list(access.administered_projects(request.user).order_by("name"))
    if request.method == "POST":
        return _pair(request, owned)
    return render(request, "screens.html", _page(request, owned))


@login_required
@require_POST
def revoke(request: HttpRequest, screen_id: int) -> HttpResponse:
    """One's own; operators revoke anybody's."""
    screen = get_object_or_404(access.screens_of(request.user), pk=screen_id)
    lifecycle.revoke(screen, by=access.actor(request.user))
    messages.success(request, f"{screen.name} shows nothing any more. It has a new code if you want it back.")
    return redirect("screens")


def _pair(request: HttpRequest, owned: Sequence[Project]) -> HttpResponse:
    if not owned:
        raise PermissionDenied(access.WHY_NO_SCREEN)
    shows_all = request.POST.get("which", "all") == "all"
    chosen = [project for project in owned if str(project.pk) in request.POST.getlist("project")]
    name = request.POST.get("name", "").strip()[:60] or "screen"
    if not shows_all and not chosen:
        return _refused(request, owned, "Choose at least one project, or all of them.")
    try:
        assert isinstance(request.user, User)
        projects = None if shows_all else chosen
        lifecycle.pair(request.user, name, request.POST.get("code", ""), projects, by=access.actor(request.user))
    except BadCode as error:
        return _refused(request, owned, str(error))
    messages.success(request, f"{name} is paired. It shows the wall in a few seconds.")
    return redirect("screens")


def _refused(request: HttpRequest, owned: Sequence[Project], why: str) -> HttpResponse:
    page = {**_page(request, owned), "problem": why, "typed": request.POST, "chosen": request.POST.getlist("project")}
    return render(request, "screens.html", page, status=422)


def _page(request: HttpRequest, owned: Sequence[Project]) -> dict[str, object]:
    return {"screens": access.screens_of(request.user), "owned": owned, "why_not": access.WHY_NO_SCREEN}
