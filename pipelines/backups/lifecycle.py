"""Back up, check, restore."""

import fcntl
import hashlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from pipelines.backups import aftermath, databases, files
from pipelines.backups.aftermath import Ended
from pipelines.backups.vault import Manifest, NoBackup, Vault
from pipelines.errors import UserError

_STAMP = "%Y-%m-%dT%H-%M-%S-%fZ"


class NotHere(UserError):
    """This backup cannot be restored into this server as it is; the text says why."""


def back_up(root: Path) -> tuple[str, Manifest]:
    """Add a backup to the vault at `root`, while the server runs; gives its name and what it holds.

    First the database, then the storage: what the database names is there by then, and is never changed.
    """
    vault = Vault(root)
    vault.open_up()
    with _alone(vault):
        began = datetime.now(UTC)
        before = vault.read(vault.names()[-1]) if vault.names() else None
        database, facts = databases.back_up(vault)
        storage, lost = files.back_up(vault, before)
        manifest = Manifest(
            made_at=began.isoformat(timespec="seconds"),
            version=version(),
            engine=connection.vendor,
            migrations=tuple(sorted(".".join(key) for key in MigrationRecorder(connection).applied_migrations())),
            keys=fingerprints(settings.SECRET_KEY, settings.SLIPWAY_ENCRYPTION_KEYS),
            database=tuple(database),
            storage=tuple(storage),
            lost=tuple(lost),
            facts={**facts, "machine": platform.node()},
        )
        name = began.strftime(_STAMP)
        vault.write(name, manifest)
    return name, manifest


def tidy(root: Path, keep: int) -> list[str]:
    """Remove all but the newest `keep` backups; gives their names."""
    vault = Vault(root)
    with _alone(vault):
        return vault.keep_newest(keep)


def names(root: Path) -> list[str]:
    """Of all backups there, the oldest first."""
    return Vault(root).names()


def choose(root: Path, name: str = "") -> tuple[str, Manifest]:
    """The backup of that name, or the newest. Raises NoBackup."""
    vault = Vault(root)
    names = vault.names()
    if not names:
        raise NoBackup(f"there is no backup in {root}")
    chosen = name or names[-1]
    return chosen, vault.read(chosen)


def check(root: Path, manifest: Manifest) -> int:
    """Read all of it and compare; gives how many files. Raises BrokenBackup."""
    return sum(1 for _ in Vault(root).check(manifest))


def refuse(manifest: Manifest) -> None:
    """Raises NotHere when this server holds something already, or cannot read what the backup holds."""
    if connection.vendor != manifest.engine:
        raise NotHere(f"the backup is of {manifest.engine}, and this server is set to use {connection.vendor}")
    known = {".".join(key) for key in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    ours = {name.split(".")[0] for name in known}
    if newer := sorted(name for name in manifest.migrations if name.split(".")[0] in ours and name not in known):
        raise NotHere(
            f"the backup is of Slipway {manifest.version}, which is newer than this one ({version()}) and has changed "
            f"the database ({newer[0]}): restore with that version"
        )
    broken_off = databases.half_restored()
    if broken_off is not None and not databases.begins_anew():
        raise NotHere(f"{told(broken_off)}. Empty the database and the storage, and restore again")
    if held := _holds():
        raise NotHere(f"this server is not empty: there are {held}. Restore into an empty state directory and database")
    left = {kept.name for kept in manifest.storage} if broken_off else set()
    if strange := next((name for name in files.everything() if name not in left), None):
        raise NotHere(f"this server's storage is not empty (there is {strange}): restore into an empty one")


def refuse_keys(manifest: Manifest) -> None:
    """Raises NotHere when this server's keys are not those that the backup was made with."""
    if fingerprints(settings.SECRET_KEY, settings.SLIPWAY_ENCRYPTION_KEYS) != manifest.keys:
        raise NotHere(
            "this server's keys are not those of the backup: no secret could be read, and the audit would not hold. "
            "Give the file that --with-keys wrote as --keys"
        )


def restore(root: Path, manifest: Manifest) -> Ended:
    """Put everything back into an empty server that does not run; or begin anew there what broke off.

    Raises NotHere, InUse and BrokenBackup before anything is touched. Should it break off later, by whatever, the
    server does not start with what is there.
    """
    refuse(manifest)
    refuse_keys(manifest)
    check(root, manifest)
    vault, anew = Vault(root), databases.half_restored() is not None
    with databases.restored(vault, manifest):
        files.restore(vault, manifest, anew=anew)
        call_command("migrate", interactive=False, verbosity=0)
        return aftermath.settle(manifest.made_at)


def told(broken_off: datetime) -> str:
    """What is said of a restore that was under way then and did not come to its end."""
    at = broken_off.astimezone(UTC)
    return f"a restore that was under way here at {at:%Y-%m-%d %H:%M} UTC broke off, and this server is not whole"


def fingerprints(secret: str, encryption: list[str]) -> dict[str, str]:
    """What tells keys from others without giving them away: they are long and random."""
    return {"secret_key": _fingerprint(secret), "encryption_keys": " ".join(map(_fingerprint, encryption))}


def version() -> str:
    """Of this code; without a number where it is not installed."""
    try:
        return metadata.version("slipway")
    except metadata.PackageNotFoundError:
        return "from a checkout"


def _fingerprint(key: str) -> str:
    return hashlib.sha256(b"slipway key " + key.encode()).hexdigest()[:16]


def _holds() -> str:
    """What of people's work the database has, in words; empty for a new one."""
    tables = set(connection.introspection.table_names())
    found = []
    for table, words in (("projects_project", "projects"), ("auth_user", "people"), ("runs_run", "runs")):
        if table in tables:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608  three names of ours
                found += [words] if cursor.fetchone() else []
    return " and ".join(found)


@contextmanager
def _alone(vault: Vault) -> Iterator[None]:
    """Of two at once the second waits: one would sweep away what the other has just put there."""
    with (vault.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
