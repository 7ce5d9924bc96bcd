"""A new project's set-up: what is done, what is still to do, each checked while somebody does it."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from pipelines.errors import LostRace, UserError
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind, Probe
from pipelines.projects import pipelines
from pipelines.projects.code_host_keys import PinnedKey, parse_host_keys
from pipelines.projects.models import SpecSource
from pipelines.setup import lifecycle, queries
from pipelines.setup.lifecycle import NoStarter, NotApproved
from pipelines.states.status import Status
from server import access
from server.access import Act
from server.web import fetching


@login_required
def page(request: HttpRequest, project: str) -> HttpResponse:
    """Everything, for owners: the webhook's secret stands on it."""
    found = fetching.project(request, project, Act.ADMINISTER)
    code, keys = (queries.newest(found, kind) for kind in queries.ASKED)
    delivery = queries.delivery(found)
    is_asking = any(probe is not None and not probe.is_final for probe in (code, keys))
    answer, approved = queries.answer_of(code), parse_host_keys(found.code_host_keys)
    shown = {
        "project": found,
        "transport": queries.transport(found),
        "code": code,
        "read": answer,
        "keys": keys,
        "keys_shown": _still_open(queries.answer_of(keys).get("keys", []), approved),
        "approved": approved,
        "hook_url": settings.SLIPWAY_URL + reverse("github-webhook", args=[found.name]),
        "is_hidden": _is_hidden(settings.SLIPWAY_URL),
        "poll_seconds": settings.SLIPWAY_POLL_SECONDS,
        "delivery": delivery,
        "starter": queries.chosen(answer, request.GET.get("starter", "")),
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
    if kind not in queries.ASKED:
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
    try:
        lifecycle.approve_keys(found, scan, request.POST.getlist("key"), access.actor(request.user))
    except NotApproved as error:
        messages.error(request, f"Nothing was approved: {error}.")
    return redirect("project-setup", project)


@login_required
@require_POST
def change(request: HttpRequest, project: str) -> HttpResponse:
    """Another token or default branch; the repository is read with it at once."""
    found = fetching.project(request, project, Act.ADMINISTER)
    token, branch = request.POST.get("token"), request.POST.get("branch")
    try:
        lifecycle.change(found, access.actor(request.user), token=token, branch=branch)
    except UserError as error:
        messages.error(request, f"Nothing was changed: {error}")
    return redirect("project-setup", project)


@login_required
@require_POST
def start_from(request: HttpRequest, project: str) -> HttpResponse:
    """Keep the chosen starter on this server, as the pipeline's first version."""
    found = fetching.project(request, project, Act.EDIT_PIPELINE)
    try:
        saved = lifecycle.start_from(found, request.POST.get("starter", ""), access.actor(request.user))
    except NoStarter as error:
        raise Http404 from error
    except LostRace as error:
        messages.error(request, f"Not saved: {error}.")
    else:
        messages.success(request, f"Saved on this server as version {saved.number}. The next run takes it.")
    return redirect("project-setup", project)


def _still_open(keys: list[dict[str, Any]], approved: Sequence[PinnedKey]) -> list[dict[str, Any]]:
    """The keys that the host showed, each as it stands now; none once all of them are approved."""
    known = {key.fingerprint for key in approved}
    standing = [{**key, "known": "same"} if key["fingerprint"] in known else key for key in keys]
    return standing if any(key["known"] != "same" for key in standing) else []


def _is_hidden(url: str) -> bool:
    """Whether a code host on the internet can surely not reach this address."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host


def _probe(request: HttpRequest) -> int:
    return fetching.whole_number(request.POST.get("probe")) or 0
