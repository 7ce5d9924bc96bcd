"""Adding a project: one form, whose clone URL is tried while the rest is filled in."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from pipelines.errors import UserError
from pipelines.probes.models import Kind, Probe
from pipelines.projects.clone_urls import BadCloneUrl, parse_clone_url
from pipelines.projects.models import Project
from pipelines.setup import lifecycle
from pipelines.states.status import Status
from server import access
from server.web import fetching

_KEPT = ("clone_url", "name", "default_branch", "team", "new_team")  # what a check without script brings back
_NEW = "new"


class AddingForm(forms.ModelForm):  # type: ignore[type-arg]
    """A project as it begins: the rest has defaults that are changed later."""

    team = forms.ChoiceField(label="Owned by", required=False)
    new_team = forms.CharField(label="Name of the new team", required=False, max_length=150)
    token = forms.CharField(
        label="Access token",
        required=False,
        help_text="For a private repository over https: one that may read it. It is kept encrypted and never shown.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Project
        fields = ("clone_url", "name", "default_branch")
        labels = {"clone_url": "Clone URL"}
        help_texts = {"name": "Letters, digits, - and _. It stands in addresses and messages.", "clone_url": ""}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        teams = [(str(team.pk), team.name) for team in Group.objects.order_by("name")]
        team = self.fields["team"]
        assert isinstance(team, forms.ChoiceField)
        team.choices = [("", "operators only, for now"), *teams, (_NEW, "a new team, with me in it")]
        for name in ("clone_url", "name", "default_branch", "new_team", "team", "token"):
            self.fields[name].widget.attrs["class"] = "in"
        for name in ("clone_url", "name", "default_branch"):
            self.fields[name].widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
        self.fields["clone_url"].widget.attrs |= {"placeholder": "git@github.com:example/shop.git", **_tries()}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("team") == _NEW and not cleaned.get("new_team"):
            self.add_error("new_team", "The new team needs a name.")
        return cleaned


@login_required
def add(request: HttpRequest) -> HttpResponse:
    """The form, and what it sends. Whoever adds a project is an operator, who sees every one."""
    _admit(request)
    if request.method != "POST":
        return _page(request, AddingForm(initial=_initial(request)), _asked(request, request.GET.get("probe")))
    form = AddingForm(request.POST)
    if form.is_valid():
        try:
            project = _create(request, form)
        except UserError as error:
            form.add_error("new_team", f"{str(error).capitalize()}.")
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"{project} is added. The rest is checked as you go.")
            return redirect("project-setup", project.name)
    return _page(request, form, None, status=400)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Have the clone URL tried: the answer comes to `reached`, or to the whole form where there is no script."""
    _admit(request)
    url = request.POST.get("clone_url", "").strip()
    is_part = "X-Part" in request.headers
    try:
        probe = lifecycle.try_url(url, access.actor(request.user))
    except BadCloneUrl as error:
        return _part(request, None, str(error) if url else "") if is_part else _back(request, None)
    return _part(request, probe) if is_part else _back(request, probe)


@login_required
@require_safe
def reached(request: HttpRequest, probe_id: int) -> HttpResponse:
    """What came of trying a clone URL; asks again by itself until it is known."""
    _admit(request)
    return _part(request, get_object_or_404(Probe, kind=Kind.CLONE_URL, pk=probe_id))


def suggested_name(url: str) -> str:
    """The last part of a clone URL as a project's name; empty for what is none."""
    try:
        path = parse_clone_url(url, allow_local=True).path
    except BadCloneUrl:
        return ""
    return slugify(path.rstrip("/").rpartition("/")[2].removesuffix(".git"))[:60]


def _tries() -> dict[str, str]:
    """What makes the field ask while somebody types; the token is not sent along."""
    return {
        "data-check": reverse("project-check"),
        "data-parts": "#reached,#id_name,#id_default_branch",
        "data-fields": "csrfmiddlewaretoken,clone_url,name,default_branch",
    }


def _admit(request: HttpRequest) -> None:
    if not access.is_operator(request.user):
        raise PermissionDenied("to add a project takes an operator of this server")


def _create(request: HttpRequest, form: AddingForm) -> Project:
    given, person = form.cleaned_data, access.account(request.user)
    project: Project = form.save(commit=False)
    project.code_host_token = given["token"]
    new_team = given["new_team"] if given["team"] == _NEW else ""
    team = None if new_team else Group.objects.filter(pk=given["team"] or 0).first()
    return lifecycle.add(project, person, access.actor(person), team=team, new_team=new_team)


def _initial(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in _KEPT if name in request.GET}


def _asked(request: HttpRequest, number: str | None) -> Probe | None:
    return Probe.objects.filter(kind=Kind.CLONE_URL, pk=fetching.whole_number(number) or 0).first()


def _page(request: HttpRequest, form: AddingForm, probe: Probe | None, status: int = 200) -> HttpResponse:
    return render(request, "project_add.html", {"form": form, "probe": probe, **_told(probe)}, status=status)


def _part(request: HttpRequest, probe: Probe | None, problem: str = "") -> HttpResponse:
    """The answer, and suggestions for the fields that are empty still."""
    given = request.POST or request.GET
    told = _told(probe)
    name = "" if given.get("name") else told.get("suggested_name", "")
    branch = told.get("suggested_branch", "") if given.get("default_branch", "main") in ("", "main") else ""
    page = {"probe": probe, "problem": problem, **told, "fill_name": name, "fill_branch": branch}
    return render(request, "parts/reached.html", page)


def _told(probe: Probe | None) -> dict[str, str]:
    if probe is None:
        return {}
    answer = probe.answer if probe.status == Status.SUCCEEDED and probe.answer else {}
    return {
        "suggested_name": suggested_name(probe.question.get("url", "")),
        "suggested_branch": answer.get("branch") or "",
    }


def _back(request: HttpRequest, probe: Probe | None) -> HttpResponse:
    kept = {name: request.POST[name] for name in _KEPT if request.POST.get(name)}
    kept.setdefault("name", suggested_name(kept.get("clone_url", "")))
    if probe is not None:
        kept["probe"] = str(probe.pk)
    return redirect(f"{reverse('project-add')}?{urlencode(kept)}")
