"""The records of `slipway run`: as a server's, but in a directory of their own for each working tree."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import UserError

# A server may be configured on the same machine: its database and its containers are none of ours.
_SERVERS_OWN = ("DATABASE_URL", "REDIS_URL", "SERVER_ID", "MIRRORS_DIR", "STORAGE_DIR", "URL", "RUNNER_LABELS")


class Busy(UserError):
    """Another `slipway run` is under way in this working tree: wait for it, or stop it."""


@contextmanager
def records_of(root: Path, labels: Iterable[str]) -> Iterator[None]:
    """Django over the records of a working tree, on a runner with these labels; raises Busy. Once a process."""
    name = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    state = _home() / name
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another `slipway run` is under way in {root}: wait for it, or stop it") from None
        _configure(state, name, labels)
        yield


def _home() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "slipway"


def _configure(state: Path, name: str, labels: Iterable[str]) -> None:
    for variable in _SERVERS_OWN:
        os.environ.pop(f"SLIPWAY_{variable}", None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "server.settings",
        "SLIPWAY_STATE_DIR": str(state),
        "SLIPWAY_SERVER_ID": f"run-{name}",
        "SLIPWAY_ALONE": "true",
        "SLIPWAY_PREPARE_AHEAD": "0",  # its threads would take each other's
        "SLIPWAY_RUNNER_LABELS": ",".join(labels),
    }
    os.environ.setdefault("SLIPWAY_LOG_LEVEL", "ERROR")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
