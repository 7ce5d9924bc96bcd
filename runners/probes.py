"""Answers the questions that pages ask about the outside world."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipelines.audit import record as audit
from pipelines.deploys import listings, plans
from pipelines.deploys.listings import Place
from pipelines.deploys.models import Environment
from pipelines.deploys.plans import Listed
from pipelines.probes.models import OF_PROJECTS, Kind, Probe
from pipelines.projects.models import Project
from runners import repositories
from runners.clouds.inventory import FoundHost
from runners.clouds.sources import open_inventory
from runners.hosts import scanning


def answer(probe: Probe) -> Any:
    """The answer as the page shows it; raises UserError or SystemFault when there is none."""
    if probe.kind == Kind.AUDIT:
        return asdict(audit.check())
    if probe.kind == Kind.CLONE_URL:
        return repositories.reach(probe.question)
    if probe.kind in OF_PROJECTS:
        project = Project.objects.get(pk=probe.subject_id)
        return (repositories.read if probe.kind == Kind.REPOSITORY else repositories.code_host_keys)(project)
    return _of_environment(probe)


def _of_environment(probe: Probe) -> Any:
    environment = Environment.objects.get(pk=probe.subject_id)
    hosts = open_inventory(environment.inventory_kind, environment.inventory, environment.inventory_secret).hosts()
    if probe.kind == Kind.INVENTORY:
        return _inventory(environment, hosts)
    return (scanning.scan if probe.kind == Kind.HOST_KEYS else scanning.try_out)(environment, hosts)


def _inventory(environment: Environment, hosts: Sequence[FoundHost]) -> dict[str, Any]:
    """The hosts, what has changed since they were last written down, and what a deploy would say to that."""
    known = {host.name: Place(host.address, host.port, host.group) for host in environment.hosts.filter(gone_at=None)}
    found = {host.name: Place(host.address, host.port, host.group) for host in hosts}
    listed = [Listed(host.name, host.address, host.external_id, host.port, host.group) for host in hosts]
    gone, before = plans.missing(environment, listed)
    return {
        "hosts": [asdict(host) for host in listed],
        "changes": [asdict(change) for change in listings.compare(known, found)] if known else [],
        "known": len(known),
        "missing": gone,
        "before": before,
        "asks": plans.is_big_drop(environment, gone, before),
    }
