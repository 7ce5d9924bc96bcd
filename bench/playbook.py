"""The other yardstick of the fan-out: the CPU that ansible-core, with its best settings, takes for the same work."""

import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.ground import cache_directory, only_one
from tests.lab.sshd import Sshd

RELEASE = "ansible-core==2.18.*"
NAME = "ansible-core 2.18, pipelining, ControlPersist"
_SUBREAPER = 36  # of prctl: what ssh leaves behind for the next task becomes ours, and its CPU counts

_PLAYBOOK = """\
- hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - file: {path: /srv/ansible/releases/1, state: directory}
    - unarchive: {src: %s, dest: /srv/ansible/releases/1, extra_opts: [--strip-components=1]}
    - file: {src: releases/1, dest: /srv/ansible/current, state: link, force: true}
"""
_SETTINGS = """\
[defaults]
forks = 20
host_key_checking = true
retry_files_enabled = false
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=5s -o UserKnownHostsFile=%s -o IdentitiesOnly=yes
"""


def bring(directory: Path, servers: Sequence[Sshd], data: bytes) -> float:
    """Seconds of CPU on this side for all of these hosts."""
    program = _installed()
    home = directory / "ansible"
    home.mkdir()
    _write(home, servers, data)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    before = _children()
    command = [str(program), "-i", str(home / "hosts"), str(home / "play.yml")]
    settings = {"ANSIBLE_CONFIG": str(home / "ansible.cfg"), "ANSIBLE_HOME": str(home), "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"Ansible failed: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    _reap(20)
    return _children() - before


def _write(home: Path, servers: Sequence[Sshd], data: bytes) -> None:
    (home / "release.tar.gz").write_bytes(data)
    (home / "key").write_text(servers[0].private_key.strip() + "\n")
    (home / "key").chmod(0o600)
    known = [f"{server.address.pin_name} {server.host_key}\n" for server in servers]
    (home / "known_hosts").write_text("".join(known))
    place = servers[0].address
    about = f"ansible_port={place.port} ansible_user={place.user} ansible_ssh_private_key_file={home}/key"
    (home / "hosts").write_text("".join(f"{server.address.host} {about}\n" for server in servers))
    (home / "play.yml").write_text(_PLAYBOOK % (home / "release.tar.gz"))
    (home / "ansible.cfg").write_text(_SETTINGS % (home / "known_hosts"))


def _installed() -> Path:
    """ansible-playbook, in an environment of its own that is kept between runs."""
    place = cache_directory() / "ansible-core-2.18"
    with only_one("ansible"):
        if not (place / "bin/ansible-playbook").exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            subprocess.run([str(place / "bin/pip"), "install", "-q", RELEASE], check=True, stderr=subprocess.DEVNULL)
    return place / "bin/ansible-playbook"


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap(seconds: float) -> None:
    """Wait for the connections that ssh keeps for a while, at most so long; servers of ours go on."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and (left := _masters()):
        for pid in left:
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.2)


def _masters() -> list[int]:
    """Children of ours that are connections of ssh, alive or to be reaped."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [int(pid) for pid, parent, name in rows if int(parent) == os.getpid() and name.split()[0] == "ssh"]
