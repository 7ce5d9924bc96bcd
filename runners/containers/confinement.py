"""How every stage's container is confined, as Docker's Engine API wants it told. Pure.

The vocabulary is fixed: a pipeline file decides the image, the environment variables and the steps. None of its keys
becomes a bind mount, a device, a capability, a host name space or the engine's socket; `privileged` becomes one only
in a project that an operator trusts with the whole machine.
"""

from collections.abc import Mapping
from typing import Any

from runners.containers.executor import ContainerPlan, Limits, Ownership
from runners.containers.script import WAIT, WORKSPACE

SERVER_LABEL = "slipway.server"
SEAL_LABEL = "slipway.seal"

# Without these, root in the container could neither chown nor write what another user of it owns.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")

# Said in full, or the daemon's own defaults would join in: rotation would lose output before it is stored. The
# driver wants a size; no log reaches this one, since the stage is stopped at a far smaller one.
_JOURNAL = {"max-size": "1p", "max-file": "1", "compress": "false", "mode": "blocking"}

_CPU_PERIOD = 100_000  # microseconds
_UNCONFINED: dict[str, Any] = {"Privileged": True, "CapDrop": [], "CapAdd": [], "SecurityOpt": []}


def name_of(server: str, owner: Ownership) -> str:
    """The one name an attempt's container and its volume can have: the engine refuses a second."""
    return f"slipway-{server}-{owner.stage}-{owner.attempt}"


def labels_of(server: str, owner: Ownership) -> dict[str, str]:
    return {
        SERVER_LABEL: server,
        "slipway.run": str(owner.run),
        "slipway.stage": str(owner.stage),
        "slipway.attempt": str(owner.attempt),
    }


def is_owned(labels: Mapping[str, str]) -> bool:
    """Whether they are an attempt's: the network that all share has only the server's."""
    return "slipway.attempt" in labels


def owner_of(labels: Mapping[str, str]) -> Ownership:
    """The reverse of `labels_of`; KeyError or ValueError for labels that are not ours."""
    return Ownership(*(int(labels[f"slipway.{key}"]) for key in ("run", "stage", "attempt")))


def by_name(image: str) -> str:
    """The same image, never taken for the beginning of an id: by that the engine gives out any image it has."""
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:latest"


def container_body(server: str, plan: ContainerPlan, network: str) -> dict[str, Any]:
    """The body of the request that creates the container."""
    labels = labels_of(server, plan.owner)
    # docker-init passes a TERM on to the whole process group, so that it reaches the steps and not only the script.
    environ = {**plan.environ, "TINI_KILL_PROCESS_GROUP": "1"}
    return {
        "Image": by_name(plan.image),
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", WAIT],
        "Env": [f"{key}={value}" for key, value in environ.items()],
        "User": "0:0",
        "WorkingDir": WORKSPACE,
        "Labels": labels | {SEAL_LABEL: plan.seal},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        # Once: when the runner that attached to it goes away, however it ends, what it has not let go ends as well.
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "HostConfig": {
            **host_config(plan.limits, network),
            **(_UNCONFINED if plan.privileged else {}),
            "Mounts": [_workspace(name_of(server, plan.owner), labels)],
        },
    }


def host_config(limits: Limits, network: str) -> dict[str, Any]:
    """What holds for all our containers, a stage's and its services'."""
    return {
        "Init": True,
        "NetworkMode": network,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        # A quota, since the engine refuses more "NanoCpus" than the machine has; it comes to the same otherwise.
        "CpuPeriod": _CPU_PERIOD,
        "CpuQuota": int(limits.cpus * _CPU_PERIOD),
        "PidsLimit": limits.pids,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges"],
        "IpcMode": "private",
        "Privileged": False,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": dict(_JOURNAL)},
    }


def _workspace(volume: str, labels: Mapping[str, str]) -> dict[str, Any]:
    options = {"NoCopy": True, "Labels": dict(labels)}
    return {"Type": "volume", "Source": volume, "Target": WORKSPACE, "VolumeOptions": options}
