"""What lies in storage, into a vault and back; files there never change, so what is known is not read again."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from django.core.files.base import File
from django.core.files.storage import Storage, storages

from pipelines.backups.vault import BrokenBackup, Kept, Manifest, Vault

LEFT_OUT = ("caches",)  # can be made again, and are the largest part


def everything(folder: str = "") -> Iterator[str]:
    """The names of all files of the storage but those that are left out, in order."""
    try:
        folders, names = _storage().listdir(folder)
    except FileNotFoundError:  # nothing was ever stored
        return
    yield from (str(PurePosixPath(folder, name)) for name in sorted(names) if not name.startswith("."))
    for inner in sorted(folders):
        if folder or inner not in LEFT_OUT:
            yield from everything(str(PurePosixPath(folder, inner)))


def back_up(vault: Vault, before: Manifest | None) -> tuple[list[Kept], list[str]]:
    """Every file of the storage, and the names of those that went away in this moment."""
    known = {kept.name: kept for kept in before.storage} if before else {}
    since = datetime.fromisoformat(before.made_at) if before else datetime.now(UTC)
    kept: list[Kept] = []
    lost: list[str] = []
    for name in everything():
        try:
            kept.append(_unchanged(vault, known, since, name) or _copied(vault, name))
        except FileNotFoundError:
            lost.append(name)
    return kept, lost


def restore(vault: Vault, manifest: Manifest, *, anew: bool = False) -> None:
    """Put every file back under the name that the database knows it by; `anew`: over what a restore that broke off had
    put there, the last of it perhaps only half."""
    storage = _storage()
    for kept in manifest.storage:
        if anew:
            storage.delete(kept.name)
        with vault.path(kept).open("rb") as content:
            stored = storage.save(kept.name, File(content))
        if stored != kept.name:
            storage.delete(stored)
            raise BrokenBackup(f"the storage holds a {kept.name} already: restore into an empty one")


def _unchanged(vault: Vault, known: Mapping[str, Kept], since: datetime, name: str) -> Kept | None:
    """As in the backup before: written before it, of the same size, and still in the vault."""
    before, storage = known.get(name), _storage()
    if before is None or not vault.has(before):
        return None
    is_same = storage.size(name) == before.size and storage.get_modified_time(name) < since
    return before if is_same else None


def _copied(vault: Vault, name: str) -> Kept:
    with _storage().open(name) as content:
        return vault.put(name, content)


def _storage() -> Storage:
    return storages["default"]
