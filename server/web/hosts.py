"""Preview of an inventory and approval of host keys: questions that a control worker answers while the page waits."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
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
    shown = _not_approved(scan)
    chosen = [shown[name] for name in request.POST.getlist("key") if name in shown]
    hostkeys.approve(found, chosen, access.actor(request.user))
    messages.success(request, f"Approved: {len(chosen)} of {len(shown)} keys.")
    return redirect("hosts", project, name)


def _newest(environment: Environment, kind: Kind) -> Probe | None:
    return Probe.objects.filter(kind=kind, subject_id=environment.pk).order_by("pk").last()


def _not_approved(scan: Probe) -> dict[str, SeenKey]:
    """The keys that can be approved, by the value of their boxes: which host showed which key."""
    seen = [
        SeenKey(key["address"], key["port"], key["key_type"], key["public_key"], key["fingerprint"])
        for key in (scan.answer or {}).get("keys", [])
        if key["known"] != "same"
    ]
    return {f"{key.address}:{key.port} {key.fingerprint}": key for key in seen}
