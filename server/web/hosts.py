"""Preview of an inventory, approval of host keys, a trial of signing in: a control worker answers, the page waits."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.deploys import scans
from pipelines.errors import UserError
from pipelines.probes import lifecycle, queries
from pipelines.probes.models import Kind, Probe
from pipelines.states.status import Status
from server import access
from server.access import Act
from server.web import fetching, permissions


@login_required
def hosts(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    scan, trial = (queries.newest(kind, found.pk) for kind in (Kind.HOST_KEYS, Kind.CONNECTION))
    page = {
        "environment": found,
        "project": found.project,
        "inventory": queries.newest(Kind.INVENTORY, found.pk),
        "scan": scan,
        "scan_says": {standing: _shown(scan, standing) for standing in ("new", "changed")},
        "trial": trial,
        "trial_says": {"ran": sum(host["came"] == "ran" for host in _answer(trial, "hosts"))},
        "keys": list(found.host_keys.order_by("address", "port", "key_type")),
        "not_allowed": permissions.of(request.user, found.project),
        "subjects": f"environment:{found.pk}",
    }
    return render(request, "hosts.html", page)


@login_required
@require_POST
def ask(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name, Act.PROBE)
    kind = request.POST.get("kind")
    if kind not in scans.KINDS:
        raise Http404
    lifecycle.ask(Kind(kind), found.pk, access.actor(request.user))
    return redirect("hosts", project, name)


@login_required
@require_POST
def approve(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name, Act.TRUST)
    succeeded = Probe.objects.filter(kind=Kind.HOST_KEYS, subject_id=found.pk, status=Status.SUCCEEDED)
    scan = get_object_or_404(succeeded, pk=fetching.whole_number(request.POST.get("probe")))
    try:
        chosen = scans.approve(found, scan, request.POST.getlist("key"), access.actor(request.user))
    except UserError as error:
        messages.error(request, f"Nothing was approved: {error}.")
    else:
        messages.success(request, f"Approved: {len(chosen)} of {len(scans.not_approved(scan))} keys.")
    return redirect("hosts", project, name)


def _answer(probe: Probe | None, key: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = ((probe.answer if probe else None) or {}).get(key, [])
    return listed


def _shown(scan: Probe | None, standing: str) -> list[str]:
    """Where keys of that standing were shown."""
    keys = [key for key in _answer(scan, "keys") if key["known"] == standing]
    return [f"{'the bastion ' if key.get('is_bastion') else ''}{key['address']}:{key['port']}" for key in keys]
