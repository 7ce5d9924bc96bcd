"""Installs system packages with apt-get: only what is missing, only where it may, starting no service."""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from machine.places import locked, state_directory
from machine.speech import Halt, say

_POLICY = Path("/usr/sbin/policy-rc.d")
_REFUSAL = "#!/bin/sh\n# Slipway installs packages; it starts no services.\nexit 101\n"
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "APT_CONFIG")


def install(packages: Sequence[str]) -> None:
    """Install the packages, or raise Halt with the command that a person allowed to can run."""
    if not shutil.which("apt-get"):
        raise Halt(f"this machine has no apt-get; install what holds these, then try again: {' '.join(packages)}")
    if not may_act():
        raise Halt(
            "system packages are missing, and installing them takes root or sudo without a password. Run\n"
            f"    sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(_existing(packages))}\n"
            "and then this again."
        )
    with locked(state_directory() / "apt.lock"), _services_held_back():
        _apt("update", "-q")
        named = _existing(packages)
        say(f"installing with apt-get: {' '.join(named)}")
        _apt("install", "-q", "-y", "--no-install-recommends", *named)


def may_act() -> bool:
    """Whether commands can be run as root here without asking anyone."""
    if os.geteuid() == 0:
        return True
    if not shutil.which("sudo"):
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def as_root(*command: str) -> list[str]:
    """The command as root runs it, with the settings for the network passed on."""
    if os.geteuid() == 0:
        return list(command)
    settings = [f"{name}={os.environ[name]}" for name in _PASSED_ON if name in os.environ]
    return ["sudo", "-n", "env", *settings, *command]


def _existing(packages: Sequence[str]) -> list[str]:
    """Without those that this release does not have, written with a question mark: `docker-cli?`."""
    named = [package.rstrip("?") for package in packages if not package.endswith("?") or _known(package[:-1])]
    return list(dict.fromkeys(named))


def _known(package: str) -> bool:
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return shown.returncode == 0 and b"Filename:" in shown.stdout


def _apt(*arguments: str) -> None:
    """Run apt-get quietly, waiting for another one; its words are shown when it fails."""
    command = as_root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = (done.stdout + done.stderr)[-3000:]
        raise Halt(f"{shlex.join(command)} ended with {done.returncode}:\n{told}")


@contextlib.contextmanager
def _services_held_back() -> Iterator[None]:
    """Keep packages from starting their services while they are installed; a policy in place is put back."""
    if _refuses_already():
        yield
        return
    kept = _POLICY.with_name("policy-rc.d.before-slipway")
    if _POLICY.exists() and not kept.exists():
        _root_run("mv", str(_POLICY), str(kept))
    subprocess.run(as_root("tee", str(_POLICY)), input=_REFUSAL, stdout=subprocess.DEVNULL, text=True, check=True)
    _root_run("chmod", "755", str(_POLICY))
    try:
        yield
    finally:
        _root_run("rm", "-f", str(_POLICY))
        if kept.exists():
            _root_run("mv", str(kept), str(_POLICY))


def _refuses_already() -> bool:
    if not _POLICY.exists() or _POLICY.read_text() == _REFUSAL:
        return False
    return subprocess.run([_POLICY, "any", "start"], capture_output=True, check=False).returncode == 101


def _root_run(*command: str) -> None:
    subprocess.run(as_root(*command), check=True)
