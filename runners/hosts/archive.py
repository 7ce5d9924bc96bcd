"""A release's archive on its way from storage to many hosts: fetched once, and only if a host lacks it."""

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipelines.deploys.models import Release
from pipelines.errors import UserError
from runners import artifacts
from runners.hosts.shipped import list_files


class NoArchive(UserError):
    """The release's files are no longer stored, and a host does not have them."""


class Archive:
    """The archive of one release; its digest is checked on the way. To be closed."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._directory = tempfile.TemporaryDirectory(prefix="slipway-release-")
        self._guard = threading.Lock()
        self._fetched: Path | None = None
        self._files: bytes | None = None

    @property
    def size(self) -> int:
        return self._release.artifact.size if self._release.artifact else 0

    @property
    def stored_size(self) -> int:
        """In bytes, of what `open` gives. Raises as `open` does."""
        with self.open() as file:
            return os.fstat(file.fileno()).st_size

    @property
    def digest(self) -> str:
        return self._release.digest

    @property
    def root(self) -> str:
        """The path in the archive that becomes the release."""
        return self._release.artifact.path.strip("/") if self._release.artifact else ""

    @property
    def is_gzipped(self) -> bool:
        """Raises as `open` does."""
        with self.open() as file:
            return file.read(2) == b"\x1f\x8b"

    def files(self, shared: Sequence[str]) -> bytes:
        """The list of the release's files, as `list_files`; made once for all hosts. Raises as `open` does."""
        with self.open() as file, self._guard:
            if self._files is None:
                self._files = list_files(file, self.root, shared)
            return self._files

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """A reader of its own for each host. Raises NoArchive, or ArtifactDamaged if the stored file has changed."""
        with self._guard:
            self._fetched = self._fetched or self._fetch()
        with self._fetched.open("rb") as file:
            yield file

    def close(self) -> None:
        self._directory.cleanup()

    def _fetch(self) -> Path:
        artifact = self._release.artifact
        if artifact is None:
            raise NoArchive(f"{self._release}: its files were removed; choose a release that is still kept.")
        path = Path(self._directory.name, "archive")
        with path.open("wb") as file:
            for block in artifacts.stream(artifact.storage_name, artifact.digest):
                file.write(block)
        return path
