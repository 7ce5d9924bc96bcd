"""A directory of backups: files by their content, kept once for all backups, and for each backup a list of them.

`<vault>/files/<aa>/<sha256>` is content; `<vault>/backups/<name>.json` says what belongs to one backup and is written
last, so that a backup that broke off does not exist.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from pipelines.errors import UserError

FORMAT = 1
BLOCK = 1024 * 1024


class NoBackup(UserError):
    """There is no backup there, or it is not one that can be read."""


class BrokenBackup(UserError):
    """What lies in the backup is not what was put there."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup: what it was called, its size in bytes, and the SHA-256 of its content."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one backup holds. `migrations`: those that had been applied, as app.name; `keys`: what the server's keys
    are known by; `lost`: names in the storage that went away while it was read."""

    made_at: str
    version: str
    engine: str
    migrations: tuple[str, ...]
    keys: Mapping[str, str]
    database: tuple[Kept, ...]
    storage: tuple[Kept, ...]
    lost: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def size(self) -> int:
        return sum(kept.size for kept in (*self.database, *self.storage))


@dataclass(frozen=True, slots=True)
class Vault:
    """The directory; it and all in it can be read by its user alone."""

    root: Path

    def open_up(self) -> None:
        for directory in (self.root, self.root / "files", self.root / "backups"):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def names(self) -> list[str]:
        """Of its backups, the oldest first."""
        return sorted(path.stem for path in (self.root / "backups").glob("*.json"))

    def put(self, name: str, source: IO[bytes]) -> Kept:
        """Keep what can be read from `source`; content that is there already is not written again."""
        digest, size = hashlib.sha256(), 0
        draft = self.root / "files" / f".{secrets.token_hex(8)}"
        try:
            with draft.open("xb") as target:
                draft.chmod(0o600)
                while block := source.read(BLOCK):
                    digest.update(block)
                    size += len(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            return self._take_in(draft, Kept(name, size, digest.hexdigest()))
        finally:
            draft.unlink(missing_ok=True)

    def has(self, kept: Kept) -> bool:
        path = self.path(kept)
        return path.is_file() and path.stat().st_size == kept.size

    def path(self, kept: Kept) -> Path:
        return self.root / "files" / kept.digest[:2] / kept.digest

    def write(self, name: str, manifest: Manifest) -> None:
        target = self.root / "backups" / f"{name}.json"
        draft = target.with_name(f".{name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        with draft.open("w") as file:
            json.dump(asdict(manifest), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)

    def read(self, name: str) -> Manifest:
        """Raises NoBackup."""
        try:
            told = json.loads((self.root / "backups" / f"{name}.json").read_text())
            if told["format"] != FORMAT:
                raise NoBackup(f"{name} is of format {told['format']}; this Slipway reads format {FORMAT}")
            lists = {part: tuple(Kept(**one) for one in told[part]) for part in ("database", "storage")}
            listed = {part: tuple(told[part]) for part in ("migrations", "lost")}
            return Manifest(**{**told, **lists, **listed})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoBackup(f"there is no backup {name} in {self.root} that can be read: {error}") from error

    def check(self, manifest: Manifest) -> Iterator[Kept]:
        """Each file when it was read and is what was put there. Raises BrokenBackup at the first that is not."""
        for kept in (*manifest.database, *manifest.storage):
            _compare(self.path(kept), kept)
            yield kept

    def keep_newest(self, count: int) -> list[str]:
        """Remove all backups but the newest `count`, and content that no other needs; gives their names."""
        gone = self.names()[:-count] if count > 0 else []
        for name in gone:
            (self.root / "backups" / f"{name}.json").unlink(missing_ok=True)
        if gone:
            self._sweep(kept.digest for name in self.names() for kept in _all(self.read(name)))
        return gone

    def _take_in(self, draft: Path, kept: Kept) -> Kept:
        path = self.path(kept)
        if not self.has(kept):
            path.parent.mkdir(exist_ok=True, mode=0o700)
            draft.rename(path)
        return kept

    def _sweep(self, needed: Iterable[str]) -> None:
        wanted = set(needed)
        for path in (self.root / "files").glob("??/*"):
            if path.name not in wanted:
                path.unlink()


def _all(manifest: Manifest) -> tuple[Kept, ...]:
    return (*manifest.database, *manifest.storage)


def _compare(path: Path, kept: Kept) -> None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise BrokenBackup(f"{kept.name} cannot be read from the backup: {error}") from error
    if digest.hexdigest() != kept.digest:
        raise BrokenBackup(f"{kept.name} is not what was backed up: its content has changed in {path}")
