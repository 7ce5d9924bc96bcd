"""A commit as a tar archive: its files and a `.git` that works, written without a working tree on this host.

Nothing from the repository becomes a file name here, so no hostile path or link can lead anywhere. Filters of
`.gitattributes` (line ends, say) are not run; git in the container sees the files as unchanged all the same.
"""

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runners.checkout.errors import UnsafeTree

ROOT = "workspace"
_LINK, _SUBMODULE, _EXECUTABLE = 0o120000, 0o160000, 0o100755
_GIT_FOLDERS = ("", "/objects", "/objects/info", "/objects/pack", "/refs", "/refs/heads", "/refs/tags")


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file, link or submodule of a commit; bytes of `path` that are no UTF-8 are surrogates."""

    mode: int
    sha: str
    path: str

    @property
    def has_blob(self) -> bool:
        return self.mode != _SUBMODULE

    @property
    def is_file(self) -> bool:
        return self.mode not in (_SUBMODULE, _LINK)


@dataclass(frozen=True, slots=True)
class GitFolder:
    """What the `.git` of a workspace is made of; `shallow` are commits whose parents are left out.

    `ref` is None for a submodule, and `modules` are the names and URLs of those that were checked out below it.
    """

    sha: str
    ref: str | None
    shallow: tuple[str, ...]
    origin: str | None
    index: Path
    packs: tuple[Path, ...]
    modules: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    def texts(self) -> dict[str, str]:
        """The small files of the folder. HEAD is the branch, or the commit itself for anything else."""
        branch = self.ref is not None and self.ref.startswith("refs/heads/")
        files = {
            "HEAD": f"ref: {self.ref}\n" if branch else f"{self.sha}\n",
            "config": "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n",
        }
        refs = ({self.ref: self.sha} if self.ref is not None else {}) | dict(self.tags)
        # Git looks a ref up by bisection.
        lines = sorted((ref.encode("utf-8", "surrogateescape"), sha) for ref, sha in refs.items())
        listed = "".join(f"{sha} {ref.decode('utf-8', 'surrogateescape')}\n" for ref, sha in lines)
        files["packed-refs"] = f"# pack-refs with: sorted \n{listed}"
        if self.shallow:
            files["shallow"] = "".join(f"{sha}\n" for sha in sorted(self.shallow))
        if self.origin:
            files["config"] += f'[remote "origin"]\n\turl = {_quoted(self.origin)}\n'
            files["config"] += "\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
        for name, url in self.modules:
            files["config"] += f"[submodule {_quoted(name)}]\n\tactive = true\n\turl = {_quoted(url)}\n"
        return files


def _quoted(value: str) -> str:
    """As git's configuration reads it; line ends are refused long before."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_tree(listing: bytes) -> list[TreeEntry]:
    """The output of `git ls-tree -r -z`; raises UnsafeTree for a path out of the tree or into `.git`."""
    entries = []
    for line in listing.split(b"\0")[:-1]:
        head, _, name = line.partition(b"\t")
        mode, _, sha = head.decode().split(" ")
        path = name.decode("utf-8", "surrogateescape")
        if {"", ".", "..", ".git"} & set(path.lower().split("/")):
            raise UnsafeTree(f"The commit holds the path {path[:200]!r}, which no checkout may write.")
        entries.append(TreeEntry(int(mode, 8), sha, path))
    return entries


class WorkspaceWriter:
    """Writes the archive: all below `workspace/`, owned by root, dated `made_at` (seconds since 1970)."""

    def __init__(self, target: IO[bytes], made_at: int) -> None:
        self._tar = tarfile.open(  # noqa: SIM115 (closed by `close`)
            fileobj=target, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
        )
        self._made_at = made_at
        self._folders: set[str] = set()
        self._add_folder(ROOT)

    def add_entries(self, root: str, entries: Iterable[TreeEntry], blobs: IO[bytes], large: Mapping[str, Path]) -> None:
        """What a commit holds, below `root`. `large` are files that stand for an entry by its path.

        `blobs` is the output of `git cat-file --batch` for the other entries that have one, in their order.
        """
        for entry in entries:
            path = f"{root}/{entry.path}"
            self._add_parents(path)
            if entry.path in large:
                self._copy(large[entry.path], path, _permissions(entry.mode))
            elif entry.has_blob:
                self._add_blob(path, entry.mode, blobs)
            else:
                self._add_folder(path)

    def add_git(self, root: str, folder: GitFolder) -> None:
        for name in _GIT_FOLDERS:
            self._add_folder(f"{root}/.git{name}")
        for name, text in folder.texts().items():
            raw = text.encode("utf-8", "surrogateescape")
            self._add_file(f"{root}/.git/{name}", 0o644, len(raw), io.BytesIO(raw))
        self._copy(folder.index, f"{root}/.git/index", 0o644)
        for pack in folder.packs:
            self._copy(pack, f"{root}/.git/objects/pack/{pack.name}", 0o444)

    def close(self) -> None:
        self._tar.close()

    def _add_blob(self, path: str, mode: int, blobs: IO[bytes]) -> None:
        size = int(blobs.readline().split(b" ")[2])
        if mode == _LINK:
            info = self._info(path, tarfile.SYMTYPE, 0o777)
            info.linkname = blobs.read(size).decode("utf-8", "surrogateescape")
            self._tar.addfile(info)
        else:
            self._add_file(path, _permissions(mode), size, blobs)
        blobs.read(1)

    def _copy(self, source: Path, name: str, mode: int) -> None:
        with source.open("rb") as content:
            self._add_file(name, mode, source.stat().st_size, content)

    def _add_file(self, path: str, mode: int, size: int, content: IO[bytes]) -> None:
        info = self._info(path, tarfile.REGTYPE, mode)
        info.size = size
        self._tar.addfile(info, content)

    def _add_parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            self._add_folder("/".join(parts[:depth]))

    def _add_folder(self, path: str) -> None:
        if path not in self._folders:
            self._folders.add(path)
            self._tar.addfile(self._info(path, tarfile.DIRTYPE, 0o755))

    def _info(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.mtime = kind, mode, self._made_at
        return info


def _permissions(mode: int) -> int:
    return 0o755 if mode == _EXECUTABLE else 0o644
