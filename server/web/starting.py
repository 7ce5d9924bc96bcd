"""Starting a run by hand: of which branch or tag, with which parameters."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from pipelines.errors import UserError
from pipelines.runs import asking, queries
from pipelines.spec.model import ParameterSpec
from server import access
from server.access import Act
from server.web import fetching, permissions

_NAME = "parameter-"  # before the name of each parameter in the form


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter as the form shows it."""

    spec: ParameterSpec
    value: str

    @property
    def name(self) -> str:
        return _NAME + self.spec.name


@login_required
def start(request: HttpRequest, project: str) -> HttpResponse:
    """The form, and what it sends."""
    act = Act.RUN if request.method == "POST" else Act.VIEW
    found = fetching.project(request, project, act)
    asked = asking.asked(found)
    given = {one.name: request.POST[_NAME + one.name] for one in asked if _NAME + one.name in request.POST}
    ref = request.POST.get("ref", "").strip() or found.default_branch
    problem = ""
    if request.method == "POST":
        try:
            run = asking.start(found, ref, given, access.actor(request.user))
        except UserError as error:
            problem = str(error)
        else:
            return redirect("run", project, run.number)
    page = {
        "project": found,
        "ref": ref,
        "refs": queries.refs(found),
        "fields": [Field(one, given.get(one.name, one.default or "")) for one in asked],
        "problem": problem,
        "not_allowed": permissions.of(request.user, found),
    }
    return render(request, "start.html", page, status=400 if problem else 200)
