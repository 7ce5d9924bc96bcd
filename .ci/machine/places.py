"""Where the preparation finds and keeps things."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
_SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin:/sbin"


def extend_path() -> None:
    """Let programs of the system be found too, which Debian hides from ordinary users."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_SYSTEM_PROGRAMS}"


def found(*programs: str) -> bool:
    """Whether any of the programs can be run."""
    return any(shutil.which(program) for program in programs)


def lab_directory() -> Path:
    """What belongs to this checkout and is nobody else's business."""
    directory = ROOT / ".lab"
    directory.mkdir(exist_ok=True)
    return directory


def state_directory() -> Path:
    """What is true of the machine rather than of this checkout, kept for this user."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = root / "slipway" / "machine"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file against other preparations."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
