"""Pure: what is wrong with an inventory, in words, before anybody asks a cloud."""

from collections.abc import Iterator
from typing import Any

from pipelines.deploys.models import InventoryKind

EXAMPLES = {
    InventoryKind.STATIC: '{"hosts": [{"name": "web-1", "address": "10.0.4.11"}]}',
    InventoryKind.AWS: '{"region": "eu-west-1", "tags": {"env": "prod", "role": ["web"]}}',
}
_AWS_KEYS = {"region", "tags", "address", "name_tag", "endpoint_url", "page_size"}


def problems(kind: str, inventory: Any) -> list[str]:
    """Every problem as a sentence; empty when the inventory can be asked."""
    if not isinstance(inventory, dict):
        return [f"An inventory is a mapping, like {EXAMPLES[InventoryKind(kind)]}."]
    return list(_static(inventory) if kind == InventoryKind.STATIC else _aws(inventory))


def _static(inventory: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(inventory, {"hosts"}, "a fixed list")
    hosts = inventory.get("hosts")
    if not isinstance(hosts, list) or not hosts:
        yield f"A fixed list needs at least one host, like {EXAMPLES[InventoryKind.STATIC]}."
        return
    names = []
    for place, host in enumerate(hosts, 1):
        entry = {"address": host} if isinstance(host, str) else host
        if not isinstance(entry, dict) or not isinstance(entry.get("address"), str) or not entry["address"].strip():
            yield f"Host {place} needs an address."
            continue
        yield from _unknown(entry, {"name", "address", "port"}, f"host {place}")
        names.append(entry.get("name") or entry["address"])
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Two hosts are called {name}."


def _aws(inventory: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(inventory, _AWS_KEYS, "EC2 by tags")
    if not isinstance(inventory.get("region"), str) or not inventory["region"]:
        yield 'EC2 by tags needs a "region", like "eu-west-1".'
    tags = inventory.get("tags")
    if not isinstance(tags, dict) or not tags:
        yield f"Without any tag every machine would match; give at least one, like {EXAMPLES[InventoryKind.AWS]}."
    if inventory.get("address", "private") not in ("private", "public"):
        yield '"address" is "private" or "public".'


def _unknown(mapping: dict[str, Any], known: set[str], where: str) -> Iterator[str]:
    for key in sorted(mapping.keys() - known):
        yield f"{where[:1].upper()}{where[1:]} has no “{key}”; known are {', '.join(sorted(known))}."
