"""Hosts to deploy to: containers with sshd, a deploy user and a program that keeps the shop running."""

import contextlib
import io
import ipaddress
import socket
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from docker.models.containers import Container
from docker.models.networks import Network

from tests.lab.ground import Ground
from tests.lab.images import image

USER = "deploy"
PATH = "/srv/shop"
APP_PORT = 8000
ACTIVATE = "sudo /usr/local/sbin/restart-shop"
_START_SECONDS = 120
_PARTS = Path(__file__).parent / "host"


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the fleet, reachable from this one by its address."""

    name: str
    address: str
    host_key: str
    container: Container

    @property
    def url(self) -> str:
        """Where the shop answers once it has been deployed."""
        return f"http://{self.address}:{APP_PORT}"

    def run(self, *command: str) -> str:
        """Run a command on the host as root, past SSH; raises RuntimeError when it fails."""
        return _run(self.container, *command)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts on one network of their own, which take `private_key` (OpenSSH text) for the user `deploy`."""

    hosts: tuple[Host, ...]
    subnet: str
    private_key: str
    public_key: str


@contextlib.contextmanager
def fleet(here: Ground, size: int = 3) -> Iterator[Fleet]:
    """Start `size` hosts and wait until their sshd speak; they and their network go at the end."""
    private_key, public_key = _make_key()
    network = here.engine.networks.create(f"slipway-{here.name}", driver="bridge", labels=here.labels)
    containers: list[Container] = []
    try:
        containers.extend(_create(here, network, f"web-{number}", public_key) for number in range(1, size + 1))
        for container in containers:
            container.start()
        yield Fleet(tuple(map(_look_at, containers)), _subnet(network), private_key, public_key)
    finally:
        for container in containers:
            container.remove(force=True, v=True)
        network.remove()


def _create(here: Ground, network: Network, name: str, public_key: str) -> Container:
    container = here.engine.containers.create(
        image("host", here.engine),
        ["python3", "/usr/local/sbin/lab-init"],
        name=f"slipway-{here.name}-{name}",
        hostname=name,
        network=network.name,
        labels=here.labels,
        init=True,
        mem_limit="256m",
    )
    container.put_archive("/", _setup(public_key))
    return container


def _setup(public_key: str) -> bytes:
    parts = (
        ("usr/local/sbin/lab-init", _part("lab_init.py"), 0o755),
        ("usr/local/sbin/restart-shop", _part("restart-shop"), 0o755),
        ("etc/ssh/sshd_config", _part("sshd_config"), 0o644),
        ("etc/sudoers.d/deploy", _part("sudoers"), 0o440),
        (f"etc/ssh/authorized_keys/{USER}", f"{public_key}\n".encode(), 0o644),
    )
    sheet = io.BytesIO()
    with tarfile.open(fileobj=sheet, mode="w") as tar:
        for name, content, mode in parts:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return sheet.getvalue()


def _part(name: str) -> bytes:
    return (_PARTS / name).read_bytes()


def _look_at(container: Container) -> Host:
    container.reload()
    address = next(iter(container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    _await_sshd(container, address)
    kind, key = _run(container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    return Host(container.attrs["Config"]["Hostname"], address, f"{kind} {key}", container)


def _run(container: Container, *command: str) -> str:
    code, output = container.exec_run(list(command))
    text = (output if isinstance(output, bytes) else b"".join(output)).decode(errors="replace")
    if code != 0:
        raise RuntimeError(f"{' '.join(command)} in {container.name} ended with {code}: {text}")
    return text


def _await_sshd(container: Container, address: str) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not _speaks_ssh(address):
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"no sshd at {address}: {container.logs().decode(errors='replace')}")
        time.sleep(0.05)


def _speaks_ssh(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _subnet(network: Network) -> str:
    network.reload()
    return str(ipaddress.ip_network(network.attrs["IPAM"]["Config"][0]["Subnet"]))


def _make_key() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
