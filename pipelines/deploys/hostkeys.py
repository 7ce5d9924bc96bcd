"""The keys that hosts are known by."""

from collections import defaultdict

from pipelines.audit.record import record
from pipelines.deploys.models import Environment, HostKey

ByPlace = dict[tuple[str, int], list[HostKey]]


def by_place(environment: Environment) -> ByPlace:
    """(address, port) → the keys that the host there may show."""
    keys: ByPlace = defaultdict(list)
    for key in environment.host_keys.all():
        keys[key.address, key.port].append(key)
    return keys


def pin_first(
    environment: Environment, address: str, port: int, key_type: str, public_key: str, fingerprint: str
) -> HostKey:
    """Trust the first key that a host has shown, and give it; when one is pinned there already, of whatever type, give
    that one, whatever the host shows now. Audited as Slipway's own act.

    Two deploys cannot pin at once: an environment has one running deploy.
    """
    pinned = environment.host_keys.filter(address=address, port=port).order_by("pk").first()
    if pinned is not None:
        return pinned
    record("", "pinned a host's first key", str(environment), address=address, port=port, fingerprint=fingerprint)
    return HostKey.objects.create(
        environment=environment,
        address=address,
        port=port,
        key_type=key_type,
        public_key=public_key,
        fingerprint=fingerprint,
        pinned_by="first use",
    )
