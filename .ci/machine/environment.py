"""The virtual environment: made once, filled from a locked requirements file whose every hash is checked."""

import hashlib
import importlib.util
import subprocess
import sys

from machine.places import PYTHON, ROOT, VENV, lab_directory, locked
from machine.speech import Halt, say

_LOCKS = {"dev": "requirements-dev.txt", "run": "requirements.txt"}
_STAMPS = {kind: VENV / f".installed-{kind}" for kind in _LOCKS}


def missing_packages() -> list[str]:
    """The package without which this Python makes no virtual environment, where one is to be made."""
    if importlib.util.find_spec("ensurepip") is not None or _works():
        return []
    if not sys.executable.startswith("/usr/bin/"):
        raise Halt(f"{sys.executable} has no ensurepip, so it cannot make a virtual environment; use another Python")
    return [f"python3.{sys.version_info.minor}-venv"]


def prepare(kind: str) -> None:
    """Make .venv hold what the lock of `kind` ("dev" or "run") says; quick when it does already."""
    with locked(lab_directory() / "venv.lock"):
        if _is_current(kind):
            return
        if not _works():
            _create()
        _fill(kind)


def _is_current(kind: str) -> bool:
    """The developers' lock holds everything of the other."""
    kinds = ("dev",) if kind == "dev" else ("dev", "run")
    return any(_STAMPS[one].exists() and _STAMPS[one].read_text() == _mark(one) for one in kinds) and _works()


def _mark(kind: str) -> str:
    return hashlib.sha256((ROOT / _LOCKS[kind]).read_bytes()).hexdigest()


def _works() -> bool:
    """Whether the environment runs, with pip, on a Python that is new enough."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0


def _create() -> None:
    say(f"making {VENV.name} with Python {sys.version.split()[0]}")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Halt(f"the virtual environment could not be made:\n{done.stdout}{done.stderr}")


def _fill(kind: str) -> None:
    say(f"installing {_LOCKS[kind]} into {VENV.name}")
    for stamp in _STAMPS.values():
        stamp.unlink(missing_ok=True)
    options = ["--quiet", "--require-hashes", "--disable-pip-version-check", "--no-input"]
    command = [str(PYTHON), "-m", "pip", "install", *options, "-r", str(ROOT / _LOCKS[kind])]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode != 0:
        raise Halt(f"pip could not install {_LOCKS[kind]}; its own words are above")
    _STAMPS[kind].write_text(_mark(kind))
