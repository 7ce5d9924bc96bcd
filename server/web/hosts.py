"""Preview of an inventory and approval of host keys: questions that a control worker answers while the page waits."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.audit.record import record
from pipelines.deploys.models import Environment, HostKey
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.states.status import Status
from server import access
from server.access import Act
from server.web import fetching, permissions

ASKED = (Kind.INVENTORY, Kind.HOST_KEYS)


@login_required
def hosts(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    page = {
        "environment": found,
        "project": found.project,
        "inventory": _newest(found, Kind.INVENTORY),
        "scan": _newest(found, Kind.HOST_KEYS),
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
    found = fetching.environment(request, project, name, Act.PROBE)
    scans = Probe.objects.filter(kind=Kind.HOST_KEYS, subject_id=found.pk, status=Status.SUCCEEDED)
    scan = get_object_or_404(scans, pk=fetching.whole_number(request.POST.get("probe")))
    shown = {key["fingerprint"]: key for key in (scan.answer or {}).get("keys", []) if key["known"] != "same"}
    chosen = [shown[fingerprint] for fingerprint in request.POST.getlist("key") if fingerprint in shown]
    _pin(found, chosen, access.actor(request.user))
    messages.success(request, f"Approved: {len(chosen)} of {len(shown)} keys.")
    return redirect("hosts", project, name)


def _newest(environment: Environment, kind: Kind) -> Probe | None:
    return Probe.objects.filter(kind=kind, subject_id=environment.pk).order_by("pk").last()


def _pin(environment: Environment, keys: list[dict[str, Any]], actor: str) -> None:
    """An approved key takes the place of every other key of its host, so that a former machine is not trusted along."""
    with transaction.atomic():
        for key in keys:
            same_host = HostKey.objects.filter(environment=environment, address=key["address"], port=key["port"])
            same_host.delete()
            fields = {name: key[name] for name in ("address", "port", "key_type", "public_key", "fingerprint")}
            HostKey.objects.create(environment=environment, pinned_by=actor, **fields)
            facts = {name: key[name] for name in ("address", "port", "fingerprint")}
            record(actor, "approved a host key", str(environment), **facts)
