"""What every part of the lab stands on: who owns it, the engine, and the sweep after owners that died."""

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
from docker import DockerClient
from docker.errors import APIError, NotFound

LABEL = "slipway.lab"
OWNER_LABEL = "slipway.lab.owner"


@dataclass(frozen=True, slots=True)
class Ground:
    """One lab of one process: every container, network and volume of it bears its labels."""

    name: str
    engine: DockerClient

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: self.name, OWNER_LABEL: _identity(os.getpid())}


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Open a lab with a name of its own; whatever still bears the name at the end is removed."""
    engine = open_engine()
    here = Ground(f"lab-{os.getpid()}-{secrets.token_hex(3)}", engine)
    try:
        yield here
    finally:
        clear(engine, here.name)
        engine.close()


def open_engine() -> DockerClient:
    """The Docker engine of DOCKER_HOST or the default socket; the CLI's context does not count."""
    return docker.from_env(use_context=False)


def clear(engine: DockerClient, name: str) -> None:
    """Remove every container, network and volume of the lab called `name`; what is gone already is fine."""
    remove(engine, f"{LABEL}={name}")


def sweep(engine: DockerClient) -> list[str]:
    """Clear the labs whose owner died without doing so (kill -9, power cut); returns their names."""
    dead = {labels[LABEL] for labels in _labelled(engine) if not _alive(labels.get(OWNER_LABEL, ""))}
    for name in dead:
        clear(engine, name)
    return sorted(dead)


def cache_directory() -> Path:
    """Where what is dear to make is kept between runs, for this user."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(root) / "slipway"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the lock called `name` among all processes of this user."""
    with (cache_directory() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago, for programs that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def processes_with(variable: str) -> list[int]:
    """The other processes that were started with this variable (`NAME=value`) in their environment."""
    wanted = variable.encode()
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in numbers if pid != os.getpid() and wanted in _environment(pid)]


def _labelled(engine: DockerClient) -> list[dict[str, str]]:
    own: dict[str, str | list[str] | bool] = {"label": LABEL}
    containers = engine.containers.list(all=True, filters=own, ignore_removed=True)
    networks = engine.networks.list(filters=own)
    volumes = engine.volumes.list(filters=own)
    marks = [container.labels for container in containers]
    return marks + [part.attrs.get("Labels") or {} for part in (*networks, *volumes)]


def remove(engine: DockerClient, label: str) -> None:
    """Remove every container, network and volume that bears the label (`key=value`)."""
    own: dict[str, str | list[str] | bool] = {"label": label}
    for container in engine.containers.list(all=True, filters=own, ignore_removed=True):
        with contextlib.suppress(NotFound, APIError):
            container.remove(force=True, v=True)
    for network in engine.networks.list(filters=own):
        with contextlib.suppress(NotFound):
            network.remove()
    for volume in engine.volumes.list(filters=own):
        with contextlib.suppress(NotFound):
            volume.remove(force=True)


def _identity(pid: int) -> str:
    """The process and the moment it began, so that a number given out again is not taken for it."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return f"{pid}:{stat.rpartition(')')[2].split()[19]}"


def _alive(identity: str) -> bool:
    pid = identity.partition(":")[0]
    with contextlib.suppress(OSError, ValueError):
        return _identity(int(pid)) == identity
    return False


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
