"""How long the record is kept: the rules of all projects or of one, and what they would remove now, before they do."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from pipelines.projects.models import Project
from pipelines.retention import candidates, rules
from pipelines.retention.models import EVENTS_DAYS_MIN, Sweep
from pipelines.retention.rules import DAYS_MAX, NAMES, NEWEST, BadRule, Rules
from server import access
from server.access import Act
from server.web import fetching

WORDS = {
    "runs_days": ("Runs", "days after their end; those that were released stay"),
    "runs_newest": ("Newest runs of each branch", f"that stay, however old; {NEWEST} where nothing is said"),
    "logs_days": ("Output of stages", "days after their end; what deploys said stays"),
    "artifacts_days": ("Artifacts", "days after their run's end; those of releases stay"),
    "events_days": ("Events", f"days after they came, at least {EVENTS_DAYS_MIN}; those of runs stay, without payload"),
}


class RulesForm(forms.Form):
    """One number for each rule; empty is no rule."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, hint) in WORDS.items():
            least = 1 if name == "runs_newest" else 0
            self.fields[name] = forms.IntegerField(
                required=False, label=label, help_text=hint, min_value=least, max_value=DAYS_MAX
            )
            self.fields[name].widget.attrs |= {"class": "in", "inputmode": "numeric"}

    @property
    def rules(self) -> Rules:
        return Rules(**{name: self.cleaned_data.get(name) for name in NAMES})


@login_required
def of_server(request: HttpRequest) -> HttpResponse:
    """The rules of all projects, where they say nothing else."""
    if not access.is_operator(request.user):
        raise PermissionDenied("to set how long the record is kept takes an operator")
    return _page(request, None)


@login_required
def of_project(request: HttpRequest, project: str) -> HttpResponse:
    return _page(request, fetching.project(request, project, Act.ADMINISTER))


def _page(request: HttpRequest, project: Project | None) -> HttpResponse:
    """GET shows the rules, with `preview` what those given would remove; POST saves."""
    given = request.POST if request.method == "POST" else request.GET if "preview" in request.GET else None
    form = RulesForm(given, initial=asdict(rules.own(project)))
    problem, is_asked = "", given is not None and form.is_valid()
    if request.method == "POST" and is_asked:
        try:
            rules.change(project, form.rules, access.actor(request.user))
        except BadRule as error:
            problem = str(error)
        else:
            messages.success(request, "Saved. The clock removes what is to go, little by little.")
            return redirect(request.path)
    page = {
        "project": project,
        "form": form,
        "problem": problem,
        "preview": candidates.preview(project, form.rules, timezone.now()) if is_asked else None,
        "general": rules.own(None),
        "sweep": Sweep.objects.filter(pk=1).first(),
    }
    return render(request, "retention.html", page, status=400 if problem or (given and not form.is_valid()) else 200)
