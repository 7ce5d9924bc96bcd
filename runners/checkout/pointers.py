"""Which files of a commit are only pointers of Git LFS: those that its attributes name and that read as one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runners.checkout.errors import LfsRefused
from runners.checkout.repository import Repository
from runners.checkout.workspaces import TreeEntry

MAX_OBJECTS = 10_000
MAX_OBJECT_BYTES = 2 * 1024**3
MAX_TOTAL_BYTES = 8 * 1024**3
_POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a file of Git LFS is in the commit: the SHA-256 of its content, and its size in bytes."""

    oid: str
    size: int


def find(repository: Repository, index: Path, entries: Sequence[TreeEntry]) -> dict[str, Pointer]:
    """Path → pointer of the commit that `index` was read from. Raises LfsRefused for more than a workspace takes."""
    tracked = _tracked(repository, index, [entry.path for entry in entries if entry.is_file])
    candidates = [entry for entry in entries if entry.is_file and entry.path in tracked]
    found: dict[str, Pointer] = {}
    request = "".join(f"{entry.sha}\n" for entry in candidates).encode()
    with repository.streaming(["cat-file", "--batch"], request) as blobs:
        for entry in candidates:
            size = int(blobs.readline().split(b" ")[2])
            head = blobs.read(min(size, _POINTER_BYTES + 1))
            _skip(blobs, size - len(head) + 1)
            if size <= _POINTER_BYTES and (match := _POINTER.fullmatch(head)):
                found[entry.path] = Pointer(match[1].decode(), int(match[2]))
    _check(found)
    return found


def _tracked(repository: Repository, index: Path, paths: Sequence[str]) -> frozenset[str]:
    """Of these paths those with the attribute `filter=lfs`, by the commit's own .gitattributes."""
    request = "".join(f"{path}\0" for path in paths)
    extra = {"GIT_INDEX_FILE": str(index)}
    answer = repository.must("check-attr", "-z", "--cached", "--stdin", "filter", stdin=request, extra=extra)
    words = answer.decode("utf-8", "surrogateescape").split("\0")
    return frozenset(path for path, value in zip(words[0::3], words[2::3], strict=False) if value == "lfs")


def _skip(stream: IO[bytes], count: int) -> None:
    while count > 0 and (block := stream.read(min(count, 65536))):
        count -= len(block)


def _check(found: dict[str, Pointer]) -> None:
    for path, pointer in found.items():
        if pointer.size > MAX_OBJECT_BYTES:
            raise LfsRefused(
                f"{path} has {pointer.size:,} bytes in Git LFS; a stage takes files of {MAX_OBJECT_BYTES:,} at most."
            )
    total = sum(pointer.size for pointer in found.values())
    if len(found) > MAX_OBJECTS or total > MAX_TOTAL_BYTES:
        raise LfsRefused(
            f"The commit has {len(found):,} files with {total:,} bytes in Git LFS; a stage takes {MAX_OBJECTS:,} files"
            f" and {MAX_TOTAL_BYTES:,} bytes at most. Switch LFS off in the project's settings, and fetch in the stage"
            " what it needs."
        )
