"""How a service is confined, as Docker's Engine API wants it told: as a stage, but without a workspace. Pure."""

from typing import Any

from runners.containers import confinement
from runners.containers.beside import ServicePlan
from runners.containers.executor import Limits, Ownership

LABEL = "slipway.service"

_CHECK_NANOSECONDS = 1_000_000_000  # between two looks of an image's own health check
_LOOKING = Limits(memory_bytes=64 * 1024**2, cpus=0.2, pids=16)


def name_of(server: str, owner: Ownership, service: str) -> str:
    return f"{confinement.name_of(server, owner)}-{service}"


def body_of(server: str, plan: ServicePlan, network: str) -> dict[str, Any]:
    """The body of the request that creates a service's container; it runs its image's own program."""
    return {
        "Image": confinement.by_name(plan.image),
        "Env": [f"{key}={value}" for key, value in plan.environ.items()],
        "Hostname": plan.name,
        "Labels": {**confinement.labels_of(server, plan.owner), LABEL: plan.name},
        "Healthcheck": {"Interval": _CHECK_NANOSECONDS} if plan.checks else {"Test": ["NONE"]},
        "AttachStdin": False,
        "OpenStdin": False,
        "Tty": False,
        "HostConfig": confinement.host_config(plan.limits, network),
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [plan.name]}}},
        **({"Cmd": list(plan.command)} if plan.command else {}),
    }


def looking_body(server: str, owner: Ownership, beside: str, image: str, script: str) -> dict[str, Any]:
    """A small container of a stage's image on the network of the container `beside`, which only looks."""
    return {
        "Image": confinement.by_name(image),
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", script],
        "User": "0:0",
        "Labels": {**confinement.labels_of(server, owner), LABEL: ""},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {**confinement.host_config(_LOOKING, f"container:{beside}"), "CapAdd": []},
    }
