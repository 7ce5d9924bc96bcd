"""Real SSH servers on loopback addresses, each with its own host key, key to sign in with and directory."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.hosts.ssh.connection import Address, HostKey

SSHD = "/usr/sbin/sshd"
# Each server has a /srv of its own, as each machine has, though they share the rest of the file system.
_OWN_SRV = f'mount --bind "$0/root" /srv && exec {SSHD} -D -e -f "$0/sshd_config"'


@dataclass(slots=True)
class Sshd:
    """One running server. It runs as root and signs root in, so only for machines made for tests."""

    address: Address
    directory: Path
    process: subprocess.Popen[bytes]
    private_key: str

    @property
    def root(self) -> Path:
        """What is /srv on that host."""
        return self.directory / "root"

    @property
    def host_key(self) -> HostKey:
        return HostKey.parse((self.directory / "host_key.pub").read_text())

    @property
    def host_keys(self) -> tuple[HostKey, ...]:
        return (self.host_key,)

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def processes(self, needle: str) -> list[str]:
        """Lines of the host's `ps` that contain the text."""
        listing = subprocess.run(["ps", "-ww", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True)
        return [line for line in listing.stdout.splitlines() if needle in line and "ps -eo" not in line]

    def freeze(self) -> None:
        """Stop the server and the processes that serve its connections, like a machine that hangs."""
        for pid in (self.process.pid, *_sshd_children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (self.process.pid, *_sshd_children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def drop_connections(self) -> None:
        """Cut every open connection, as a reboot would, and go on listening."""
        for pid in _sshd_children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def shrink_disk(self, megabytes: int) -> Path:
        """Put a small file system at the host's /srv, until the server stops; gives its path as seen from here."""
        size = f"size={megabytes}m"
        mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", "/srv"]
        subprocess.run(["nsenter", f"--target={self.process.pid}", "--mount", *mount], check=True)
        return Path(f"/proc/{self.process.pid}/root/srv")

    def change_host_key(self) -> None:
        """Come back with another host key, as a rebuilt machine or an impostor would."""
        self.stop()
        for name in ("host_key", "host_key.pub"):
            (self.directory / name).unlink()
        _make_key(self.directory / "host_key")
        self.process = _start(self.directory, self.address)

    def stop(self) -> None:
        """At once, like a machine that loses its power: frozen first, so that nobody comes back in between."""
        if self.process.poll() is not None:
            return
        self.freeze()
        self.drop_connections()
        self.process.kill()
        self.process.wait(60)


def start_sshd(
    directory: Path,
    *,
    private_key: str,
    public_key: str,
    host: str = "127.0.0.1",
    port: int | None = None,
    options: tuple[str, ...] = (),
    path: str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
) -> Sshd:
    """Start one server, to be stopped with `stop()`.

    `options` are further lines of its configuration, `path` is the PATH of what runs there. The home
    directory is the server's own, so that nobody's login files take part.
    """
    if shutil.which(SSHD) is None or os.geteuid() != 0:
        raise RuntimeError("these tests start real SSH servers: run them as root, with openssh-server installed")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "root").mkdir(exist_ok=True)
    (directory / "authorized_keys").write_text(public_key + "\n")
    _make_key(directory / "host_key")
    address = Address(host, port or free_port(host))
    _configure(directory, address, (*options, f"SetEnv HOME={directory} PATH={path}"))
    process = _start(directory, address)
    return Sshd(address, directory, process, private_key)


@contextlib.contextmanager
def running_fleet(
    directory: Path, count: int, *, private_key: str, public_key: str, options: tuple[str, ...] = ()
) -> Iterator[list[Sshd]]:
    """`count` servers on addresses of their own and one common port, as a cloud's machines would have."""
    network = f"127.0.{random.randint(1, 254)}"
    hosts = [f"{network}.{number}" for number in range(1, count + 1)]
    port = free_port(*hosts)
    servers: list[Sshd] = []
    try:
        for host in hosts:
            servers.append(
                start_sshd(
                    directory / host,
                    private_key=private_key,
                    public_key=public_key,
                    host=host,
                    port=port,
                    options=options,
                )
            )
        yield servers
    finally:
        for server in servers:
            server.stop()


def free_port(*hosts: str) -> int:
    """A port that is free on every one of these addresses at this moment."""
    for _ in range(50):
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.create_server((hosts[0], 0)))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError):
                for host in hosts[1:]:
                    stack.enter_context(socket.create_server((host, port)))
                return port
    raise RuntimeError("no port is free on all of the addresses")


@contextlib.contextmanager
def silent_server(host: str = "127.0.0.1") -> Iterator[Address]:
    """Accepts connections and never says a word."""
    with socket.create_server((host, 0)) as server:
        yield Address(host, server.getsockname()[1])


@contextlib.contextmanager
def dropping_server(behind: Address, drops: int) -> Iterator[Address]:
    """Closes the first `drops` connections before any greeting, as sshd's MaxStartups does, then forwards."""
    server = socket.create_server(("127.0.0.1", 0))
    left = [drops]

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                if left[0] > 0:
                    left[0] -= 1
                    client.close()
                else:
                    onward = socket.create_connection((behind.host, behind.port))
                    threading.Thread(target=_forward, args=(client, onward), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield Address("127.0.0.1", server.getsockname()[1], behind.user)
    finally:
        server.close()


def _forward(one: socket.socket, other: socket.socket) -> None:
    with one, other:
        back = threading.Thread(target=_copy, args=(other, one), daemon=True)
        back.start()
        _copy(one, other)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _configure(directory: Path, address: Address, options: tuple[str, ...]) -> None:
    lines = (
        *options,
        f"ListenAddress {address.host}:{address.port}",
        f"HostKey {directory}/host_key",
        f"AuthorizedKeysFile {directory}/authorized_keys",
        "PidFile none",
        "UsePAM no",
        "UseDNS no",
        "StrictModes no",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        *(() if any("Subsystem" in option for option in options) else ("Subsystem sftp internal-sftp",)),
    )
    (directory / "sshd_config").write_text("\n".join(lines) + "\n")


def _start(directory: Path, address: Address) -> subprocess.Popen[bytes]:
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _OWN_SRV, str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    _await_listening(process, directory, address)
    return process


def _await_listening(process: subprocess.Popen[bytes], directory: Path, address: Address) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((address.host, address.port), 5):
            return
        time.sleep(0.02)
    process.kill()
    raise RuntimeError(f"sshd did not start: {(directory / 'log').read_text()}")


def _sshd_children(pid: int) -> list[int]:
    """The server's own descendants, not the commands they run."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    found, level = [], {pid}
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    while level:
        level = {int(p) for p, parent, name in rows if int(parent) in level and name.startswith("sshd")}
        found.extend(sorted(level))
    return found
