"""What a scan of an environment's hosts has shown, and the word of a person who has compared it."""

from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from pipelines.deploys import hostkeys
from pipelines.deploys.hostkeys import SeenKey
from pipelines.deploys.models import Environment
from pipelines.errors import UserError
from pipelines.probes import queries
from pipelines.probes.models import Kind, Probe

LASTS = timedelta(minutes=15)
KINDS = (Kind.INVENTORY, Kind.HOST_KEYS, Kind.CONNECTION)  # what is asked about an environment


class OldScan(UserError):
    """Hosts may have shown other keys since."""


def approve(environment: Environment, scan: Probe, names: Collection[str], actor: str) -> list[SeenKey]:
    """Trust those keys of a scan that are named, each as `address:port fingerprint`; gives them. Raises OldScan.

    What the scan has not shown, or what is approved already, is passed over.
    """
    if not _is_current(environment, scan):
        raise OldScan("that scan is no longer the newest, or too old: scan again")
    shown = not_approved(scan)
    chosen = [shown[name] for name in dict.fromkeys(names) if name in shown]
    hostkeys.approve(environment, chosen, actor)
    return chosen


def not_approved(scan: Probe) -> dict[str, SeenKey]:
    """The keys that can be approved, by their names: which host showed which key."""
    seen = [
        SeenKey(key["address"], key["port"], key["key_type"], key["public_key"], key["fingerprint"])
        for key in (scan.answer or {}).get("keys", [])
        if key["known"] != "same"
    ]
    return {f"{key.address}:{key.port} {key.fingerprint}": key for key in seen}


def _is_current(environment: Environment, scan: Probe) -> bool:
    """What hosts showed once must not take the place of what they have shown, and somebody has approved, since."""
    ended = scan.finished_at
    newest = queries.newest(Kind.HOST_KEYS, environment.pk)
    return scan == newest and ended is not None and timezone.now() - ended < LASTS
