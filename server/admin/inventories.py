"""Pure: what is wrong with an inventory, in words, before anybody asks a cloud."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from pipelines.deploys.inventories import FILE_NAME, HOST_KEYS, KEYS
from pipelines.deploys.models import InventoryKind

EXAMPLES = {
    InventoryKind.STATIC: '{"hosts": [{"name": "web-1", "address": "10.0.4.11", "group": "blue"}]}',
    InventoryKind.AWS: '{"region": "eu-west-1", "tags": {"env": "prod", "role": ["web"]}, "group_tag": "color"}',
    InventoryKind.GCP: '{"project": "shop-prod", "labels": {"env": "prod"}, "address": "private"}',
    InventoryKind.AZURE: '{"subscription": "1b3f…", "tags": {"env": "prod"}, "resource_group": "shop"}',
    InventoryKind.ANSIBLE: '{"program": "list-hosts", "groups": ["web"], "host_groups": ["blue", "green"]}',
}
CREDENTIALS = {
    InventoryKind.AWS: "access_key_id:secret_access_key",
    InventoryKind.GCP: "the JSON text of a service account's key file",
    InventoryKind.AZURE: "tenant_id:client_id:client_secret",
}
_NEEDED = {
    InventoryKind.AWS: ("region", "tags", "“region”, like eu-west-1"),
    InventoryKind.GCP: ("project", "labels", "“project”, like shop-prod"),
    InventoryKind.AZURE: ("subscription", "tags", "“subscription”, by its id"),
}


def examples() -> str:
    """For the help text: one of each kind, with the form of its credentials."""
    return " ".join(f"{kind.label[:1].upper()}{kind.label[1:]}: {example}." for kind, example in EXAMPLES.items())


def credentials_help() -> str:
    return "; ".join(f"for {kind.label}: {form}" for kind, form in CREDENTIALS.items())


def problems(kind: str, inventory: Any) -> list[str]:
    """Every problem as a sentence; empty when the inventory can be asked."""
    known = InventoryKind(kind)
    if not isinstance(inventory, dict):
        return [f"An inventory is a mapping, like {EXAMPLES[known]}."]
    if known == InventoryKind.STATIC:
        return list(_static(inventory))
    return list(_ansible(inventory) if known == InventoryKind.ANSIBLE else _cloud(known, inventory))


def credential_problems(kind: str, inventory: Any, secret: str) -> list[str]:
    """Of the cloud's credentials; never with anything of them in the words."""
    known = InventoryKind(kind)
    form = CREDENTIALS.get(known)
    if not secret.strip():
        elsewhere = known in (InventoryKind.GCP, InventoryKind.AZURE) and isinstance(inventory, dict)
        named = [key for key in ("endpoint_url", "authority_url") if elsewhere and inventory.get(key)]
        return [f"“{key}” needs credentials of its own: it is never sent those of the machine." for key in named]
    return [] if form is None or _is_in_form(known, secret.strip()) else [f"For {known.label} write {form}."]


def _is_in_form(kind: InventoryKind, secret: str) -> bool:
    if kind == InventoryKind.GCP:
        try:
            key = json.loads(secret)
        except ValueError:
            return False
        return isinstance(key, dict) and key.get("type") == "service_account"
    parts = secret.split(":", 1 if kind == InventoryKind.AWS else 2)
    return len(parts) == (2 if kind == InventoryKind.AWS else 3) and all(parts)


def _static(inventory: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(inventory, KEYS[InventoryKind.STATIC], "a fixed list")
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
        yield from _unknown(entry, HOST_KEYS, f"host {place}")
        names.append(entry.get("name") or entry["address"])
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Two hosts are called {name}."


def _cloud(kind: InventoryKind, inventory: dict[str, Any]) -> Iterator[str]:
    where, tags, wanted = _NEEDED[kind]
    yield from _unknown(inventory, KEYS[kind], kind.label)
    if not isinstance(inventory.get(where), str) or not inventory[where]:
        yield f"{kind.label[:1].upper()}{kind.label[1:]} needs a {wanted}."
    if not isinstance(inventory.get(tags), dict) or not inventory[tags]:
        yield f"Without any of “{tags}” every machine would match; give at least one, like {EXAMPLES[kind]}."
    if inventory.get("address", "private") not in ("private", "public"):
        yield "“address” is private or public."


def _ansible(inventory: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(inventory, KEYS[InventoryKind.ANSIBLE], "an inventory in Ansible's form")
    named = [inventory[key] for key in ("file", "program") if inventory.get(key)]
    if len(named) != 1:
        yield f"Name either a “file” or a “program”, like {EXAMPLES[InventoryKind.ANSIBLE]}."
    elif not isinstance(named[0], str) or not FILE_NAME.match(named[0]):
        yield "It is a plain name in the server's inventory directory, without any path."
    for key in ("groups", "host_groups"):
        listed = inventory.get(key, [])
        if not isinstance(listed, str | list) or not all(isinstance(one, str) and one for one in listed):
            yield f"“{key}” is a list of groups' names."


def _unknown(mapping: dict[str, Any], known: Collection[str], where: str) -> Iterator[str]:
    for key in sorted(mapping.keys() - set(known)):
        yield f"{where[:1].upper()}{where[1:]} has no “{key}”; known are {', '.join(sorted(known))}."
