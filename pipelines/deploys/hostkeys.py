"""The keys that hosts are known by."""

from pipelines.audit.record import record
from pipelines.deploys.models import Environment, HostKey


def pinned(environment: Environment, address: str, port: int) -> list[HostKey]:
    """The keys that this host may show."""
    return list(environment.host_keys.filter(address=address, port=port))


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
