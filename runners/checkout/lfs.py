"""Large files of Git LFS on this machine, by their SHA-256: believed only when the digest fits."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.projects.clone_urls import Transport
from runners.checkout import storage
from runners.checkout.access import Access
from runners.checkout.batch import open_batch
from runners.checkout.errors import LfsRefused
from runners.checkout.pointers import Pointer


@dataclass(frozen=True, slots=True)
class Store:
    """The large files of one repository, in `folder`; `hosts` may keep them besides the code host itself."""

    folder: Path
    access: Access
    hosts: tuple[str, ...] = ()
    timeout_seconds: float = 300

    def bring(self, pointers: Iterable[Pointer]) -> dict[str, Path]:
        """Digest → file, downloaded where it is not here yet. Raises LfsRefused or CloneFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        storage.evict_objects(self.folder)
        wanted = {pointer.oid: pointer for pointer in pointers}
        absent = [pointer for pointer in wanted.values() if not self._is_here(pointer)]
        if self.access.url.transport == Transport.LOCAL:
            for pointer in absent:
                self._copy(pointer)
        elif absent:
            self._download(absent)
        return {oid: self.folder / oid for oid in wanted}

    def _is_here(self, pointer: Pointer) -> bool:
        path = self.folder / pointer.oid
        if not path.is_file():
            return False
        os.utime(path)
        return True

    def _copy(self, pointer: Pointer) -> None:
        """From a repository of this machine, where git-lfs keeps them by their digest."""
        place = Path("lfs", "objects", pointer.oid[:2], pointer.oid[2:4], pointer.oid)
        for folder in (Path(self.access.clone_url), Path(self.access.clone_url, ".git")):
            if (folder / place).is_file():
                with (folder / place).open("rb") as source:
                    self._keep(pointer, iter(lambda: source.read(65536), b""))
                return
        raise LfsRefused(f"The Git LFS file {pointer.oid[:12]} is not in {self.access.clone_url}: push it.")

    def _download(self, pointers: Sequence[Pointer]) -> None:
        batch = open_batch(self.access, self.folder, self.hosts, self.timeout_seconds)
        for place in batch.places(pointers):
            self._keep(place.pointer, batch.blocks(place))

    def _keep(self, pointer: Pointer, blocks: Iterable[bytes]) -> None:
        """Write it beside its place, and move it there only when it is what the commit promised."""
        handle, name = tempfile.mkstemp(prefix="making-", dir=self.folder)
        making = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest, size = hashlib.sha256(), 0
                for block in blocks:
                    file.write(block)
                    digest.update(block)
                    size += len(block)
                    if size > pointer.size:
                        break
            if (digest.hexdigest(), size) != (pointer.oid, pointer.size):
                raise LfsRefused(
                    f"The Git LFS file {pointer.oid[:12]} came with another content than its commit says: it is damaged"
                    " at the code host, or somebody is in between. Push it again."
                )
            making.replace(self.folder / pointer.oid)
        finally:
            making.unlink(missing_ok=True)
