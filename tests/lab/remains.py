"""What is left of a lab after its end; there should be nothing."""

import os
from pathlib import Path

from docker import DockerClient

from tests.lab.ground import LABEL, open_engine, processes_with
from tests.lab.server import SERVER_LABEL

MARK = "LAB_MARK"  # a variable of the environment that every process of the lab inherits


def remains(root: str) -> list[str]:
    """Containers, networks and volumes of this process's labs, processes marked with `root`, and `root` itself."""
    engine = open_engine()
    try:
        found = [thing for label in (LABEL, SERVER_LABEL) for thing in _labelled(engine, label)]
    finally:
        engine.close()
    found += [f"process {pid}" for pid in processes_with(f"{MARK}={root}")]
    return found + ([f"directory {root}"] if Path(root).exists() else [])


def _labelled(engine: DockerClient, label: str) -> list[str]:
    own: dict[str, str | list[str] | bool] = {"label": label}
    containers = engine.containers.list(all=True, filters=own, sparse=True)  # nothing is asked of strangers
    networks, volumes = engine.networks.list(filters=own), engine.volumes.list(filters=own)
    things: list[tuple[str, str | None, dict[str, str] | None]]
    things = [("container", one.attrs["Names"][0], one.attrs["Labels"]) for one in containers]
    things += [("network", one.name, one.attrs.get("Labels")) for one in networks]
    things += [("volume", one.name, one.attrs.get("Labels")) for one in volumes]
    return [f"{kind} {name}" for kind, name, labels in things if _is_ours((labels or {}).get(label, ""))]


def _is_ours(lab: str) -> bool:
    """Labs are named after the process that opened them."""
    return lab.startswith(f"lab-{os.getpid()}-")
