"""A project's secrets: their names, who changed them and which stages ask for them; never a value."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from pipelines.deploys.places import EnvironmentSecret
from pipelines.errors import UserError
from pipelines.projects import vault
from pipelines.projects.models import Project, Secret
from pipelines.projects.vault import Change
from pipelines.runs import uses
from server import access
from server.access import Act
from server.web import fetching


@dataclass(frozen=True, slots=True)
class Row:
    """A secret in the list; `stages` of the last run of the default branch ask for it."""

    secret: Secret
    change: Change | None
    stages: list[str]


@login_required
def secrets(request: HttpRequest, project: str) -> HttpResponse:
    """The list, and the form that adds or replaces one; what was typed is never given back."""
    found = fetching.project(request, project, Act.ADMINISTER)
    problem = ""
    if request.method == "POST":
        name = request.POST.get("name", "").strip()
        try:
            is_new = vault.put(found, name, request.POST.get("value", ""), access.actor(request.user))
        except UserError as error:
            problem = str(error)
        else:
            messages.success(
                request, f"{name} is {'added' if is_new else 'replaced'}: stages that begin from now on get it."
            )
            return redirect("secrets", project)
    return render(request, "secrets.html", _page(request, found, problem), status=400 if problem else 200)


@login_required
@require_POST
def remove(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project, Act.ADMINISTER)
    name = request.POST.get("name", "")
    if vault.remove(found, name, access.actor(request.user)):
        messages.success(request, f"{name} is removed. A stage that asks for it fails from now on.")
    return redirect("secrets", project)


def _page(request: HttpRequest, project: Project, problem: str) -> dict[str, object]:
    kept = list(project.secrets.defer("value").order_by("name"))
    changes, asked = vault.last_changes(kept), uses.secrets(project)
    names = {secret.name for secret in kept}
    return {
        "project": project,
        "rows": [Row(secret, changes.get(secret.name), asked.by.get(secret.name, [])) for secret in kept],
        "missing": {name: stages for name, stages in sorted(asked.by.items()) if name not in names},
        "asked_in": asked.run,
        "environments": _of_environments(project),
        "name": request.POST.get("name", "") if problem else request.GET.get("name", ""),
        "problem": problem,
    }


def _of_environments(project: Project) -> dict[str, list[str]]:
    """Environment → names of its own secrets; all environments are in it."""
    found: dict[str, list[str]] = {
        name: [] for name in project.environments.order_by("name").values_list("name", flat=True)
    }
    kept = EnvironmentSecret.objects.filter(environment__project=project).order_by("name")
    for environment, name in kept.values_list("environment__name", "name"):
        found[environment].append(name)
    return found
