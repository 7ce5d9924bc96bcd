"""Pure: what is wrong with the way to an environment's hosts."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.deploys.inventories import HOST_NAME

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*\$?\Z")


def problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The field and a sentence for each problem."""
    address = given.get("bastion_address") or ""
    if address and not _is_address(address):
        yield "bastion_address", "Write a host name or an IP address; its port has a field of its own."
    if not address and given.get("bastion_user"):
        yield "bastion_user", "Of no use without the bastion's address."
    if not address and given.get("bastion_credential"):
        yield "bastion_credential", "Of no use without the bastion's address."
    for field in ("ssh_user", "bastion_user"):
        if (user := given.get(field)) and not _USER.match(user):
            yield field, "A user's name is of letters, digits, dots, dashes and underscores, and begins with no dash."


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return bool(HOST_NAME.match(value))
    return True
