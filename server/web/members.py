"""Who may what in a project: its teams, their people and roles."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.errors import UserError
from pipelines.people import teams
from pipelines.projects.models import Project, Role
from server import access, addresses
from server.access import Act
from server.web import fetching


@login_required
def members(request: HttpRequest, project: str) -> HttpResponse:
    """The teams, and the form that lets one more in."""
    found = fetching.project(request, project, Act.ADMINISTER)
    problem = ""
    if request.method == "POST":
        try:
            _add(request, found)
        except UserError as error:
            problem = str(error)
        else:
            return redirect("members", project)
    page = {
        "project": found,
        "members": teams.of_project(found),
        "outside": teams.outside(found),
        "roles": Role.choices,
        "given": request.POST,
        "problem": problem,
        "mine": set(request.user.groups.values_list("pk", flat=True)),
    }
    return render(request, "members.html", page, status=400 if problem else 200)


@login_required
@require_POST
def change(request: HttpRequest, project: str, member_id: int) -> HttpResponse:
    """`act` is change, with a role, or remove."""
    found = fetching.project(request, project, Act.ADMINISTER)
    member = get_object_or_404(teams.of_project(found), pk=member_id)
    by, address = access.actor(request.user), addresses.client(request)
    try:
        if request.POST.get("act") == "remove":
            teams.remove(member, by=by, address=address)
        else:
            teams.change(member, _role(request), by=by, address=address)
    except UserError as error:
        messages.error(request, f"Nothing was changed: {error}.")
    if not access.may(request.user, Act.ADMINISTER, found):  # who has just given away their own role
        return redirect("dashboard")
    return redirect("members", project)


def _add(request: HttpRequest, project: Project) -> None:
    """Raises BadMember."""
    team = teams.named(project, request.POST.get("team", ""))
    by, address = access.actor(request.user), addresses.client(request)
    teams.add(project, team, _role(request), by=by, address=address)
    messages.success(request, f"{team} is in.")


def _role(request: HttpRequest) -> Role:
    """Raises BadMember."""
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise teams.BadMember("choose a role")
    return Role(role)
