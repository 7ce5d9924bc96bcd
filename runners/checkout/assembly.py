"""Putting a commit into a workspace: its files, and a `.git` of its last commits that works there."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from runners.checkout.errors import SubmoduleRefused, UnsafeTree
from runners.checkout.repository import Repository
from runners.checkout.submodules import MAX_DEPTH, MAX_SUBMODULES
from runners.checkout.workspaces import ROOT, GitFolder, TreeEntry, WorkspaceWriter, parse_tree


@dataclass(frozen=True, slots=True)
class Laying:
    """Where a commit goes: below `root` of the archive, with `folder` to work in meanwhile.

    A submodule's is `depth` levels below the first; all of one workspace share a writer and a count.
    """

    writer: WorkspaceWriter
    folder: Path
    root: str = ROOT
    depth: int = 0
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def start(cls, folder: Path, target: IO[bytes], made_at: int) -> Self:
        return cls(WorkspaceWriter(target, made_at), folder)

    def below(self, path: str) -> Self:
        """Where the submodule at `path` goes. Raises SubmoduleRefused for too many, or too deep ones."""
        number = next(self.numbers)
        if self.depth >= MAX_DEPTH or number >= MAX_SUBMODULES:
            raise SubmoduleRefused(
                f"The submodule at {path[:200]!r} is one too many: a workspace takes {MAX_SUBMODULES} of them, at most"
                f" {MAX_DEPTH} levels deep. Switch submodules off in the project's settings, and fetch in the stage"
                " those that it needs."
            )
        folder = self.folder / f"module-{number}"
        folder.mkdir()
        return type(self)(self.writer, folder, f"{self.root}/{path}", self.depth + 1, self.numbers)

    @property
    def index(self) -> Path:
        return self.folder / "index"


def entries(repository: Repository, sha: str) -> list[TreeEntry]:
    """What the commit holds. Raises UnsafeTree or CommitMissing."""
    if repository.peel(sha) is None:
        raise repository.commit_missing(sha)
    return parse_tree(repository.must("ls-tree", "-r", "-z", "--full-tree", sha))


def read_index(repository: Repository, laying: Laying, sha: str) -> Path:
    """The commit's index, in a file. Raises UnsafeTree when git would not check it out."""
    extra = {"GIT_INDEX_FILE": str(laying.index)}
    read = repository.git("read-tree", f"--index-output={laying.index}", sha, extra=extra)
    if read.code:
        raise UnsafeTree(f"Git refuses to check out commit {sha[:12]}: {read.error}")
    return laying.index


def git_folder(
    repository: Repository, laying: Laying, sha: str, depth: int, tags: tuple[tuple[str, str], ...]
) -> GitFolder:
    """The history of the commit as packs, cut after `depth` commits (0: whole), with the index of `read_index`.

    `tags` are full refs and objects in a whole history.
    """
    limit = [f"--max-count={depth}"] if depth else []
    history = repository.must("rev-list", "--parents", *limit, sha, "--").decode().splitlines()
    shallow = _cut(history) if depth else ()
    wanted = [sha, *(tagged for _, tagged in tags)]
    revisions = "".join(f"--shallow {cut}\n" for cut in shallow) + "".join(f"{one}\n" for one in wanted)
    command = ["pack-objects", "--revs", "--quiet", "--delta-base-offset", str(laying.folder / "pack")]
    repository.must(*command, stdin=revisions)
    return GitFolder(sha, None, shallow, None, laying.index, tuple(sorted(laying.folder.glob("pack-*"))), tags=tags)


def write(
    repository: Repository, laying: Laying, git: GitFolder, held: Sequence[TreeEntry], large: Mapping[str, Path]
) -> None:
    """Into the archive; `large` are files that stand for what the commit holds at their path."""
    if large:
        _assume_unchanged(repository, laying, large)
    laying.writer.add_git(laying.root, git)
    wanted = "".join(f"{entry.sha}\n" for entry in held if entry.has_blob and entry.path not in large).encode()
    with repository.streaming(["cat-file", "--batch"], wanted) as blobs:
        laying.writer.add_entries(laying.root, held, blobs, large)


def _assume_unchanged(repository: Repository, laying: Laying, large: Mapping[str, Path]) -> None:
    """Git without LFS in the container would take each of these files for a change of its pointer."""
    nowhere = laying.folder / "tree"
    nowhere.mkdir()
    extra = {"GIT_INDEX_FILE": str(laying.index), "GIT_WORK_TREE": str(nowhere)}
    paths = "".join(f"{path}\0" for path in large)
    repository.must("update-index", "-z", "--assume-unchanged", "--stdin", stdin=paths, extra=extra)


def _cut(history: list[str]) -> tuple[str, ...]:
    """Commits with a parent outside the history, which is lines of a commit and its parents."""
    lines = [line.split() for line in history]
    inside = {line[0] for line in lines}
    return tuple(line[0] for line in lines if not inside.issuperset(line[1:]))
