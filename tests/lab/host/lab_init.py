"""The first program of a lab host: makes the host's keys, runs sshd, and keeps the shop running as `deploy`."""

import os
import pwd
import signal
import socket
import subprocess
from pathlib import Path

SOCKET = "/run/lab-init.sock"
HOME = "/srv/shop"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"


def prepare() -> None:
    """Make the deploy user with its places, and a host key of this host's own (both kept over a restart)."""
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "deploy"], check=False)
    deploy = pwd.getpwnam("deploy")
    for directory in ("/run/sshd", HOME):
        Path(directory).mkdir(parents=True, exist_ok=True)
    os.chown(HOME, deploy.pw_uid, deploy.pw_gid)
    if not Path(HOST_KEY).exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", HOST_KEY], check=True)


def start_shop() -> "subprocess.Popen[bytes] | None":
    """Start what `current` points to, with the variables of its .env; None before the first deploy."""
    release = Path(HOME, "current").resolve()
    if not (release / "shop.py").exists():
        return None
    environment = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1", **read_variables(release / ".env")}
    with Path("/var/log/shop.log").open("ab") as log:
        return subprocess.Popen(
            ["python3", "shop.py"], cwd=release, env=environment,
            user="deploy", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def read_variables(path: Path) -> "dict[str, str]":
    """The NAME=value lines of a file; none where there is no file. Quotes around a value are taken off."""
    if not path.exists():
        return {}
    lines = [line for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    pairs = [line.partition("=") for line in lines]
    return {name: value[1:-1] if value[:1] in ("'", '"') else value for name, _, value in pairs}


def stop_shop(shop: "subprocess.Popen[bytes] | None") -> None:
    """End the shop and see it dead, so that what answers next is the new one."""
    if shop is None or shop.poll() is not None:
        return
    shop.terminate()
    try:
        shop.wait(5)
    except subprocess.TimeoutExpired:
        shop.kill()
        shop.wait()


def main() -> None:
    """Serve restart requests one at a time; each is answered when the new shop has been started."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    prepare()
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-e"])
    shop = start_shop()
    door = socket.socket(socket.AF_UNIX)
    door.bind(SOCKET)
    door.listen()
    while True:
        caller, _ = door.accept()
        with caller:
            stop_shop(shop)
            shop = start_shop()
            caller.sendall(b"started\n" if shop else b"nothing to start\n")


if __name__ == "__main__":
    main()
