"""Which kind of inventory an environment has."""

from collections.abc import Mapping
from typing import Any

from runners.clouds.aws import Ec2Tags
from runners.clouds.inventory import BadInventory, InventorySource
from runners.clouds.static import StaticList


def open_inventory(kind: str, settings: Mapping[str, Any], secret: str = "") -> InventorySource:
    """The source of that kind; raises BadInventory for settings that cannot be read. Asks nobody yet."""
    if kind == "static":
        return StaticList.parse(settings)
    if kind == "aws":
        return Ec2Tags.parse(settings, secret)
    raise BadInventory(f"there is no inventory of kind {kind!r}; known are static and aws.")
