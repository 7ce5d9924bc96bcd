"""A mirror's files: who may write them, what is cleared away, and the configuration that git finds there."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from runners.checkout.errors import GitFault

LOCK_TIMEOUT_SECONDS = 900
KEPT_WORKSPACES = 8
KEPT_LFS_SECONDS = 7 * 24 * 3600
REST_SECONDS = 3600


@contextlib.contextmanager
def locked(mirror: Path) -> Iterator[int]:
    """The right to write, among all processes of this machine; gives the lock's descriptor.

    Git processes that talk to the network inherit it: when we are killed, they hold it until they end.
    """
    mirror.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(mirror.with_name(mirror.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(handle, mirror)
        yield handle
    finally:
        os.close(handle)


def _wait(handle: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GitFault(f"Another process has held {path} for {LOCK_TIMEOUT_SECONDS} seconds.") from None
            time.sleep(0.02)
        else:
            return


def clear_leftovers(mirror: Path) -> None:
    """Locks in a mirror whose lock we hold belong to writers that were killed.

    A half pack does only after a rest: who makes a workspace writes one there without our lock.
    """
    for lock in [*mirror.glob("*.lock"), *(mirror / "refs").rglob("*.lock")]:
        lock.unlink(missing_ok=True)
    rested = time.time() - REST_SECONDS
    for half in (mirror / "objects" / "pack").glob("tmp_*"):
        with contextlib.suppress(FileNotFoundError):
            if half.stat().st_mtime < rested:
                half.unlink()


def configuration(clone_url: str) -> str:
    """All the configuration that git sees besides the mirror's own, also as the server of a local path."""
    text = (
        "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\taskPass =\n"
        "[credential]\n\thelper =\n"
        '[protocol "ext"]\n\tallow = never\n'
        "[submodule]\n\trecurse = false\n"
        "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
        # Whole packs only: of loose objects a killed fetch can leave a commit without its files.
        "[fetch]\n\tunpackLimit = 1\n\trecurseSubmodules = false\n\tshowForcedUpdates = false\n"
        "[http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 60\n\tfollowRedirects = false\n"
        "[uploadpack]\n\tallowAnySHA1InWant = true\n"
    )
    if clone_url.startswith("/"):
        quoted = clone_url.rstrip("/").replace('"', '\\"')
        text += f'[safe]\n\tdirectory = "{quoted}"\n\tdirectory = "{quoted}/.git"\n'
    return text


def evict(folder: Path) -> None:
    """Remove old archives but the newest few, and what killed makers left; who reads one keeps its handle."""
    rested = time.time() - REST_SECONDS
    dated = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime, path))
    archives = sorted((pair for pair in dated if pair[1].suffix == ".tar"), reverse=True)
    spare = archives[KEPT_WORKSPACES:] + [pair for pair in dated if pair[1].name.startswith("making-")]
    for changed_at, path in spare:
        if changed_at < rested:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def evict_objects(folder: Path) -> None:
    """Remove large files that no workspace has needed for a week, and what killed downloads left."""
    now = time.time()
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            kept_seconds = REST_SECONDS if path.name.startswith("making-") else KEPT_LFS_SECONDS
            if path.stat().st_mtime < now - kept_seconds:
                path.unlink()
