"""The same machines in every kind of inventory, each behind its real client."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.clouds.inventory import InventorySource
from runners.clouds.sources import open_inventory
from tests.lab.cloud import ACCESS_KEY, REGION, SECRET_KEY, cloud
from tests.lab.compute_engine import compute_engine
from tests.lab.machines import Machine
from tests.lab.resource_manager import SUBSCRIPTION, resource_manager

HOSTS = {f"web-{number}": f"127.0.30.{number}" for number in range(1, 13)}
MACHINES = (
    *(
        Machine(name, address, {"env": "prod", "role": "worker" if name[-2:] in ("11", "12") else "web"})
        for name, address in HOSTS.items()
    ),
    Machine("stopped", "127.0.30.99", {"env": "prod", "role": "web"}, running=False),
    Machine("web-1", "127.0.31.1", {"env": "staging"}, part="b"),
    *(Machine("twin", f"127.0.32.{number}", {"env": "twins"}, part=f"p{number}") for number in (1, 2)),
    *(
        Machine(f"{color}-{number}", f"127.0.33.{number}", {"env": "pair", "color": color})
        for number, color in ((1, "blue"), (2, "blue"), (3, "green"))
    ),
)


@dataclass(frozen=True, slots=True)
class Listing:
    """One kind. `open` takes the machines' `env`: prod, staging, twins, pair (whose `color` is the group), or one that
    nobody has; and settings that differ from the usual ones."""

    kind: str
    settings: Callable[[str], dict[str, Any]]
    secret: str = ""

    def open(self, env: str, **changes: Any) -> InventorySource:
        return open_inventory(self.kind, self.settings(env) | changes, self.secret)


@contextlib.contextmanager
def static_listing() -> Iterator[Listing]:
    def settings(env: str) -> dict[str, Any]:
        return {"hosts": [_entry(machine) for machine in reversed(_running(env))]}

    yield Listing("static", settings)


@contextlib.contextmanager
def aws_listing() -> Iterator[Listing]:
    """Instances started one by one, listed in pages of five."""
    with cloud("127.0.0.0/16") as api:
        for machine in MACHINES:
            started = api.start(machine.private, {"Name": machine.name, **machine.tags})
            if not machine.running:
                api.stop(started)

        def settings(env: str) -> dict[str, Any]:
            usual = {"region": REGION, "endpoint_url": api.url, "page_size": 5, "group_tag": "color"}
            return {**usual, "tags": {"env": env}}

        yield Listing("aws", settings, f"{ACCESS_KEY}:{SECRET_KEY}")


@contextlib.contextmanager
def gcp_listing() -> Iterator[Listing]:
    with compute_engine(MACHINES) as api:

        def settings(env: str) -> dict[str, Any]:
            usual = {"project": api.project, "endpoint_url": api.url, "page_size": 5, "group_label": "color"}
            return {**usual, "labels": {"env": env}}

        yield Listing("gcp", settings, api.key())


@contextlib.contextmanager
def azure_listing(directory: Path) -> Iterator[Listing]:
    """The client has to trust the certificate `lab.pem` in the directory."""
    with resource_manager(MACHINES, directory) as api:

        def settings(env: str) -> dict[str, Any]:
            usual = {"subscription": SUBSCRIPTION, "group_tag": "color"}
            return {**usual, "tags": {"env": env}, "endpoint_url": api.url, "authority_url": api.url}

        yield Listing("azure", settings, api.secret)


@contextlib.contextmanager
def ansible_listing(directory: Path) -> Iterator[Listing]:
    """The operator's directory has to be named to the server by the caller."""
    groups: dict[str, Any] = {"blue": ["blue-1", "blue-2"], "green": {"hosts": ["green-3"]}, "nothing": []}
    values = {}
    for machine in (one for one in MACHINES if one.running):
        # Names are keys in this form, so that two hosts cannot share one.
        name = machine.name if machine.part == "a" else f"{machine.name}-{machine.part}"
        groups.setdefault(machine.tags["env"], {"hosts": []})["hosts"].append(name)
        values[name] = {"ansible_host": machine.private}
    (directory / "hosts.json").write_text(json.dumps({**groups, "_meta": {"hostvars": values}}))

    def settings(env: str) -> dict[str, Any]:
        return {"file": "hosts.json", "groups": [env], "host_groups": ["blue", "green"]}

    yield Listing("ansible", settings)


def _running(env: str) -> list[Machine]:
    return [machine for machine in MACHINES if machine.running and machine.tags["env"] == env]


def _entry(machine: Machine) -> dict[str, Any]:
    group = {"group": machine.tags["color"]} if "color" in machine.tags else {}
    return {"name": machine.name, "address": machine.private, **group}
