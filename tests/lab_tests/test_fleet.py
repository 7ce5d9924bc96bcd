"""The lab's hosts, reached as Slipway reaches them: by address and SSH."""

import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.lab import shops
from tests.lab.fleet import ACTIVATE, USER, Fleet, Host, fleet
from tests.lab.ground import ground


def ssh(hosts: Fleet, host: Host, command: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    key = directory / "key"
    key.write_text(hosts.private_key)
    key.chmod(0o600)
    known = directory / "known_hosts"
    known.write_text(f"{host.address} {host.host_key}\n")
    options = ["-i", str(key), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-F", "/dev/null"]
    line = ["ssh", *options, f"{USER}@{host.address}", command]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def install(host: Host, version: str) -> None:
    for name, text in shops.good(version, "none").items():
        host.run("sh", "-c", 'mkdir -p "$1" && printf %s "$3" > "$1/$2"', "-", "/srv/shop/releases/1", name, text)
    host.run("ln", "-sfn", "releases/1", "/srv/shop/current")
    host.run("sh", "-c", "echo SHOP_GREETING=welcome > /srv/shop/releases/1/.env")


def test_every_host_takes_the_key_shows_its_own_host_key_and_restarts_the_shop(tmp_path: Path) -> None:
    with ground() as here, fleet(here, 2) as hosts:
        first, second = hosts.hosts
        assert first.host_key != second.host_key
        assert ssh(hosts, first, "id -un; hostname", tmp_path).stdout.split() == ["deploy", "web-1"]
        install(first, "v1")
        done = ssh(hosts, first, ACTIVATE, tmp_path)
        assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
        page = fetch(first)
        assert '"version": "v1"' in page
        assert '"greeting": "welcome"' in page
        install(first, "v2")
        ssh(hosts, first, ACTIVATE, tmp_path)
        assert '"version": "v2"' in fetch(first)


def test_the_deploy_user_may_restart_the_shop_and_nothing_else_as_root(tmp_path: Path) -> None:
    with ground() as here, fleet(here, 1) as hosts:
        refused = ssh(hosts, hosts.hosts[0], "sudo -n id", tmp_path)
        assert refused.returncode != 0
        assert "password is required" in refused.stderr


def test_restarting_before_the_first_deploy_says_that_there_is_nothing_to_start(tmp_path: Path) -> None:
    with ground() as here, fleet(here, 1) as hosts:
        done = ssh(hosts, hosts.hosts[0], ACTIVATE, tmp_path)
        assert (done.returncode, done.stdout) == (1, "nothing to start\n")


def fetch(host: Host) -> str:
    for _ in range(100):
        try:
            with urllib.request.urlopen(host.url, timeout=30) as answer:
                return str(answer.read().decode())
        except OSError:
            host.run("sleep", "0.05")
    pytest.fail(f"the shop on {host.name} never answered")
