"""Answers the questions that pages ask about the outside world."""

from typing import Any

from pipelines.deploys.models import Environment
from pipelines.errors import PipelineError
from pipelines.probes.models import Kind, Probe
from runners.clouds.inventory import FoundHost
from runners.clouds.sources import open_inventory
from runners.hosts.connection import Address, HostKey
from runners.hosts.fleet import on_all
from runners.hosts.ssh import scan_host_key

SCANS_AT_ONCE = 32  # silent hosts take their whole time, and others wait for this worker


def answer(probe: Probe) -> Any:
    """The answer as the page shows it; raises UserError or SystemFault when there is none."""
    environment = Environment.objects.get(pk=probe.subject_id)
    hosts = open_inventory(environment.inventory_kind, environment.inventory, environment.inventory_secret).hosts()
    if probe.kind == Kind.INVENTORY:
        return {"hosts": [_host(host) for host in hosts]}
    return _host_keys(environment, hosts)


def _host(host: FoundHost) -> dict[str, Any]:
    return {"name": host.name, "address": host.address, "external_id": host.external_id}


def _host_keys(environment: Environment, hosts: tuple[FoundHost, ...]) -> Any:
    addresses = [Address(host.address, host.port or environment.ssh_port, environment.ssh_user) for host in hosts]
    found = on_all(addresses, scan_host_key, parallel=SCANS_AT_ONCE)
    known = {(key.address, key.port): key for key in environment.host_keys.all()}
    keys, unreachable = [], []
    for address, shown in zip(addresses, found, strict=True):
        if isinstance(shown, HostKey):
            pinned = known.get((address.host, address.port))
            same = pinned is not None and pinned.public_key == shown.base64
            standing = "new" if pinned is None else "same" if same else "changed"
            keys.append(_key(address, shown, standing))
        elif isinstance(shown, PipelineError):
            unreachable.append({"address": str(address), "why": str(shown)})
        else:
            raise shown
    return {"keys": keys, "unreachable": unreachable}


def _key(address: Address, key: HostKey, known: str) -> dict[str, Any]:
    return {
        "address": address.host,
        "port": address.port,
        "key_type": key.type,
        "public_key": key.base64,
        "fingerprint": key.fingerprint,
        "known": known,
    }
