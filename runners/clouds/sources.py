"""Which kind of inventory an environment has."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from runners.clouds.ansible import AnsibleList
from runners.clouds.aws import Ec2Tags
from runners.clouds.inventory import BadInventory, InventoryRefused, InventorySource
from runners.clouds.static import StaticList

# Their clients are extras, and take seconds to import.
_EXTRAS = {"gcp": ("runners.clouds.gcp", "ComputeLabels"), "azure": ("runners.clouds.azure", "VirtualMachineTags")}


def open_inventory(kind: str, settings: Mapping[str, Any], secret: str = "") -> InventorySource:
    """The source of that kind; raises BadInventory for settings that cannot be read, InventoryRefused when the
    cloud's client is not installed. Asks nobody yet."""
    if kind == "static":
        return StaticList.parse(settings)
    if kind == "aws":
        return Ec2Tags.parse(settings, secret)
    if kind == "ansible":
        return AnsibleList.parse(settings)
    if kind in _EXTRAS:
        source: InventorySource = _extra(kind).parse(settings, secret)
        return source
    known = ", ".join(["static", "aws", "ansible", *_EXTRAS])
    raise BadInventory(f"there is no inventory of kind {kind!r}; known are {known}.")


def _extra(kind: str) -> Any:
    module, name = _EXTRAS[kind]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise InventoryRefused(
            f"The client for inventories of kind {kind} is not installed where deploys run ({error.name} is missing):"
            f" install Slipway there with its extra, as in pip install 'slipway[{kind}]'."
        ) from error
