"""Tar archives as they come out of a container: read on and on, never kept whole."""

import io
import tarfile
from collections.abc import Generator, Iterator
from typing import IO, Any

from runners.containers.executor import EngineGone

BLOCK = 256 * 1024


class Readable(io.RawIOBase):
    """A stream of blocks as a file that can only be read on."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._block and (block := next(self._blocks, None)) is not None:
            self._block = memoryview(block)
        size = min(len(buffer), len(self._block))
        buffer[:size], self._block = self._block[:size], self._block[size:]
        return size

    def close(self) -> None:
        """Stop the source: its remaining bytes stay where they are."""
        if isinstance(self._blocks, Generator):
            self._blocks.close()
        super().close()


def contents(source: Readable) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Each member with its content, which is to be read before the next is asked for; None for what is no file.

    Raises EngineGone when the archive breaks off.
    """
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=BLOCK) as tar:
            for member in tar:
                yield member, tar.extractfile(member) if member.isreg() else None
                tar.members.clear()  # type: ignore[attr-defined]  # or a long archive would fill the memory
    except tarfile.TarError as error:
        raise EngineGone(f"the container engine broke off while it sent files: {error}") from error
