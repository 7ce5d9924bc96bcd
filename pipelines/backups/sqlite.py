"""A SQLite database that takes another's place in one step: whenever the power fails, a whole one stands there.

`<name>.restoring` is there from the beginning of a restore to its end, `<name>.before-restore` from the moment before
the step to the one in which the new one was read.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path

from pipelines.backups.vault import BrokenBackup
from pipelines.errors import UserError

_BESIDE = ("-wal", "-shm", "-journal")


class InUse(UserError):
    """Somebody else has the database open; the text says what to do."""


@contextmanager
def replaced(place: Path, content: BufferedIOBase) -> Iterator[Path]:
    """Within it, a draft of what is to stand at `place`, which holds what `content` gives; nobody else finds it.

    Raises InUse before anything is changed, and BrokenBackup when what was put there cannot be read: then the former
    stands there again.
    """
    _close_off(place)
    draft = _draft(place)
    _remove(draft)
    draft.touch(mode=0o600)
    with draft.open("wb") as plain:
        shutil.copyfileobj(content, plain)
    yield draft
    _close_off(draft)
    _close_off(place)
    _put(draft, place)


def begun_at(place: Path) -> datetime | None:
    """When the restore began that has not come to its end; None when none is under way or broke off."""
    draft = _draft(place)
    return datetime.fromtimestamp(draft.stat().st_mtime, UTC) if draft.exists() else None


def forget_former(place: Path) -> bool:
    """Remove what had stood there before a restore that came to its end and was killed then; whether it was there."""
    former = _former(place)
    was_there = former.exists() and begun_at(place) is None
    if was_there:
        _remove(former)
    return was_there


def _put(draft: Path, place: Path) -> None:
    former = _former(place)
    former.unlink(missing_ok=True)
    if place.exists():
        _link(place, former)
    _sync(draft)
    draft.replace(place)
    _sync(place.parent)
    if not _can_be_read(place):
        if former.exists():
            former.replace(place)
        raise BrokenBackup("the database of the backup cannot be read")
    _remove(former)


def _link(place: Path, former: Path) -> None:
    try:
        former.hardlink_to(place)
    except OSError:  # not every file system has links
        shutil.copy2(place, former)
        _sync(former)


def _close_off(database: Path) -> None:
    """Nothing of it stands in a file beside it: what is left of another's journal would be read into the next."""
    if not database.exists():
        return
    with closing(sqlite3.connect(database, isolation_level=None, timeout=1)) as connection:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        except sqlite3.OperationalError as error:
            raise InUse(f"{database} cannot be put aside ({error}): stop all processes of this server") from error
    if mode != "delete":
        raise InUse(f"another process has {database} open: stop all processes of this server")


def _can_be_read(place: Path) -> bool:
    with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as connection:
        try:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(database: Path) -> None:
    for ending in ("", *_BESIDE):
        Path(f"{database}{ending}").unlink(missing_ok=True)


def _draft(place: Path) -> Path:
    return place.with_name(f"{place.name}.restoring")


def _former(place: Path) -> Path:
    return place.with_name(f"{place.name}.before-restore")
