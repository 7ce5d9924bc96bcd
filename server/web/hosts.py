"""Preview of an inventory, approval of host keys, a trial of signing in: a control worker answers, the page waits."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.deploys import hostkeys
from pipelines.deploys.hostkeys import SeenKey
from pipelines.deploys.models import Environment
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.states.status import Status
from server import access
from server.access import Act
from server.web import fetching, permissions

SCAN_LASTS = timedelta(minutes=15)
ASKED = (Kind.INVENTORY, Kind.HOST_KEYS, Kind.CONNECTION)


@login_required
def hosts(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    scan, trial = _newest(found, Kind.HOST_KEYS), _newest(found, Kind.CONNECTION)
    page = {
        "environment": found,
        "project": found.project,
        "inventory": _newest(found, Kind.INVENTORY),
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
    if kind not in ASKED:
        raise Http404
    lifecycle.ask(Kind(kind), found.pk, access.actor(request.user))
    return redirect("hosts", project, name)


@login_required
@require_POST
def approve(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name, Act.TRUST)
    scans = Probe.objects.filter(kind=Kind.HOST_KEYS, subject_id=found.pk, status=Status.SUCCEEDED)
    scan = get_object_or_404(scans, pk=fetching.whole_number(request.POST.get("probe")))
    if not _is_current(found, scan):
        messages.error(request, "Nothing was approved: that scan is no longer the newest, or too old. Scan again.")
        return redirect("hosts", project, name)
    shown = _not_approved(scan)
    chosen = [shown[name] for name in request.POST.getlist("key") if name in shown]
    hostkeys.approve(found, chosen, access.actor(request.user))
    messages.success(request, f"Approved: {len(chosen)} of {len(shown)} keys.")
    return redirect("hosts", project, name)


def _is_current(environment: Environment, scan: Probe) -> bool:
    """What hosts showed once must not take the place of what they have shown, and somebody has approved, since."""
    ended = scan.finished_at
    return scan == _newest(environment, Kind.HOST_KEYS) and ended is not None and timezone.now() - ended < SCAN_LASTS


def _newest(environment: Environment, kind: Kind) -> Probe | None:
    return Probe.objects.filter(kind=kind, subject_id=environment.pk).order_by("pk").last()


def _answer(probe: Probe | None, key: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = ((probe.answer if probe else None) or {}).get(key, [])
    return listed


def _shown(scan: Probe | None, standing: str) -> list[str]:
    """Where keys of that standing were shown."""
    keys = [key for key in _answer(scan, "keys") if key["known"] == standing]
    return [f"{'the bastion ' if key.get('is_bastion') else ''}{key['address']}:{key['port']}" for key in keys]


def _not_approved(scan: Probe) -> dict[str, SeenKey]:
    """The keys that can be approved, by the value of their boxes: which host showed which key."""
    seen = [
        SeenKey(key["address"], key["port"], key["key_type"], key["public_key"], key["fingerprint"])
        for key in _answer(scan, "keys")
        if key["known"] != "same"
    ]
    return {f"{key.address}:{key.port} {key.fingerprint}": key for key in seen}
