"""A new project's set-up: what is done, what is still to do, each checked while somebody does it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.errors import LostRace, UserError
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind, Probe
from pipelines.projects import lifecycle, pipelines
from pipelines.projects.clone_urls import BadCloneUrl, parse_clone_url
from pipelines.projects.code_host_keys import PinnedKey, parse_host_keys
from pipelines.projects.models import Project, SpecSource
from pipelines.runs.models import Event
from pipelines.states.status import Status
from server import access
from server.access import Act
from server.web import fetching

ASKED = (Kind.REPOSITORY, Kind.CODE_HOST)
_SCAN_LASTS = timedelta(minutes=15)  # what a host showed before may be another's by now


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the webhook stands: the last delivery that was taken, and the refusal since, if one came."""

    taken: Event | None
    refused_at: datetime | None
    why: str
    since: datetime

    @property
    def status(self) -> Status:
        if self.why:
            return Status.FAILED
        return Status.SUCCEEDED if self.taken else Status.RUNNING


@login_required
def page(request: HttpRequest, project: str) -> HttpResponse:
    """Everything, for owners: the webhook's secret stands on it."""
    found = fetching.project(request, project, Act.ADMINISTER)
    code, keys, delivery = _newest(found, Kind.REPOSITORY), _newest(found, Kind.CODE_HOST), _delivery(found)
    is_asking = any(probe is not None and not probe.is_final for probe in (code, keys))
    answer = _answer(code)
    shown = {
        "project": found,
        "transport": _transport(found),
        "code": code,
        "read": answer,
        "keys": keys,
        "keys_shown": _answer(keys).get("keys", []),
        "approved": parse_host_keys(found.code_host_keys),
        "hook_url": settings.SLIPWAY_URL + reverse("github-webhook", args=[found.name]),
        "is_hidden": _is_hidden(settings.SLIPWAY_URL),
        "poll_seconds": settings.SLIPWAY_POLL_SECONDS,
        "delivery": delivery,
        "starter": _chosen(answer, request.GET.get("starter", "")),
        "version": pipelines.current(found) if found.spec_source == SpecSource.SERVER else None,
        "first_run": found.runs.order_by("-number").first(),
        "polls": 1 if is_asking else 3 if delivery.status != Status.SUCCEEDED else "",
        "subjects": f"project:{found.pk}",
    }
    return render(request, "project_setup.html", shown)


@login_required
@require_POST
def ask(request: HttpRequest, project: str) -> HttpResponse:
    """Have the repository or its host's keys looked at (again)."""
    found = fetching.project(request, project, Act.ADMINISTER)
    kind = request.POST.get("kind")
    if kind not in ASKED:
        raise Http404
    probes.ask(Kind(kind), found.pk, access.actor(request.user))
    return redirect("project-setup", project)


@login_required
@require_POST
def approve_keys(request: HttpRequest, project: str) -> HttpResponse:
    """Pin the keys that were chosen among those of the newest scan."""
    found = fetching.project(request, project, Act.ADMINISTER)
    scan = get_object_or_404(
        Probe, kind=Kind.CODE_HOST, subject_id=found.pk, status=Status.SUCCEEDED, pk=_probe(request)
    )
    ended = scan.finished_at
    if scan != _newest(found, Kind.CODE_HOST) or ended is None or timezone.now() - ended > _SCAN_LASTS:
        messages.error(
            request, "Nothing was approved: that look at the keys is not the newest, or too old. Look again."
        )
        return redirect("project-setup", project)
    wanted = set(request.POST.getlist("key"))
    keys = [
        PinnedKey(key["names"], key["type"], key["base64"])
        for key in _answer(scan)["keys"]
        if key["fingerprint"] in wanted
    ]
    if keys:
        lifecycle.pin_code_host(found, keys, access.actor(request.user))
        probes.ask(Kind.REPOSITORY, found.pk, access.actor(request.user))
    else:
        messages.error(request, "Nothing was approved: no key was chosen.")
    return redirect("project-setup", project)


@login_required
@require_POST
def change(request: HttpRequest, project: str) -> HttpResponse:
    """Another token or default branch; the repository is read with it at once."""
    found = fetching.project(request, project, Act.ADMINISTER)
    by = access.actor(request.user)
    try:
        if "token" in request.POST:
            lifecycle.change_token(found, request.POST["token"].strip(), by)
        if "branch" in request.POST:
            lifecycle.change_branch(found, request.POST["branch"].strip(), by)
    except UserError as error:
        messages.error(request, f"Nothing was changed: {error}")
    probes.ask(Kind.REPOSITORY, found.pk, by)
    return redirect("project-setup", project)


@login_required
@require_POST
def start_from(request: HttpRequest, project: str) -> HttpResponse:
    """Keep the chosen starter on this server, as the pipeline's first version."""
    found = fetching.project(request, project, Act.EDIT_PIPELINE)
    starter = _chosen(_answer(_newest(found, Kind.REPOSITORY)), request.POST.get("starter", ""))
    if starter is None:
        raise Http404
    newest = pipelines.current(found)
    based_on = newest.number if newest else 0
    message = f"Start from {starter['title']}"
    try:
        saved = pipelines.keep(found, starter["text"], access.actor(request.user), message, based_on=based_on)
    except LostRace as error:
        messages.error(request, f"Not saved: {error}.")
    else:
        messages.success(request, f"Saved on this server as version {saved.number}. The next run takes it.")
    return redirect("project-setup", project)


def _newest(project: Project, kind: Kind) -> Probe | None:
    return Probe.objects.filter(kind=kind, subject_id=project.pk).order_by("pk").last()


def _answer(probe: Probe | None) -> dict[str, Any]:
    return (probe.answer if probe is not None and probe.status == Status.SUCCEEDED else None) or {}


def _chosen(answer: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The starter of that key, or the first."""
    offered: list[dict[str, Any]] = answer.get("starters", [])
    return next((one for one in offered if one["key"] == key), offered[0] if offered else None)


def _delivery(project: Project) -> Delivery:
    taken = project.events.exclude(delivery_id=None).defer("payload").order_by("-pk").first()
    refusal = lifecycle.listen(project)
    at = refusal.at
    if at is None or (taken is not None and taken.received_at > at):
        return Delivery(taken, None, "", project.created_at)
    return Delivery(taken, at, refusal.why, project.created_at)


def _transport(project: Project) -> str:
    try:
        return parse_clone_url(project.clone_url, allow_local=True, allow_http=True).transport
    except BadCloneUrl:
        return ""


def _is_hidden(url: str) -> bool:
    """Whether a code host on the internet can surely not reach this address."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host


def _probe(request: HttpRequest) -> int:
    return fetching.whole_number(request.POST.get("probe")) or 0
