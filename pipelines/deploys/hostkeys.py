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
    """Trust the first key that a host has shown; another key is refused from then on. Audited as Slipway's own act.

    Two deploys cannot pin at once: an environment has one running deploy.
    """
    key, made = HostKey.objects.get_or_create(
        environment=environment,
        address=address,
        port=port,
        key_type=key_type,
        defaults={"public_key": public_key, "fingerprint": fingerprint, "pinned_by": "first use"},
    )
    if made:
        record("", "pinned a host's first key", str(environment), address=address, port=port, fingerprint=fingerprint)
    return key
