"""The keys that hosts are known by."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.db import transaction

from pipelines.audit.record import record
from pipelines.deploys.models import Environment, HostKey

ByPlace = dict[tuple[str, int], list[HostKey]]


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key that the host at this address and port has shown. Two hosts, clones of one image, may show the same."""

    address: str
    port: int
    key_type: str
    public_key: str
    fingerprint: str


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


@transaction.atomic
def approve(environment: Environment, keys: Iterable[SeenKey], actor: str) -> None:
    """Trust what a person has compared. An approved key takes the place of every other key of its host, so that a
    former machine is not trusted along."""
    for key in keys:
        environment.host_keys.filter(address=key.address, port=key.port).delete()
        HostKey.objects.create(environment=environment, pinned_by=actor, **asdict(key))
        record(
            actor,
            "approved a host key",
            str(environment),
            address=key.address,
            port=key.port,
            fingerprint=key.fingerprint,
        )
