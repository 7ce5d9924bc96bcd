"""A bare repository on this machine, and what can be read of it without network."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from runners.checkout import process
from runners.checkout.errors import CommitMissing, FileMissing, GitFault
from runners.checkout.process import Answer
from runners.checkout.refs import check_sha, redact

MAX_FILE_BYTES = 1024 * 1024
MAX_MESSAGE_BYTES = 64 * 1024
MAX_PATHS = 10_000
# Either side of a rename is a changed path; nothing that a repository configures is asked how to compare.
_DIFF = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as people are shown it. Name and email are what its maker typed, and prove nothing."""

    sha: str
    author_name: str
    author_email: str
    subject: str
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Repository:
    """The bare repository at `path`. Methods that take a commit want its full id, and that it was fetched."""

    path: Path

    def read_file(self, sha: str, path: str) -> bytes:
        """The file as it is in the commit; a link is followed inside the commit only. At most 1 MiB."""
        check_sha(sha)
        if not _is_plain(path) or not path:
            raise FileMissing(f"{path[:200]!r} is no path of a file in a repository.")
        request = f"{sha}:{path}\n".encode()
        with self.streaming(["cat-file", "--batch", "--follow-symlinks"], request) as stream:
            head = stream.readline().decode("utf-8", "replace").split()
            if len(head) != 3 or head[1] != "blob":
                raise FileMissing(f"There is no file {path} in commit {sha[:12]}; add it and push again.")
            if int(head[2]) > MAX_FILE_BYTES:
                raise FileMissing(f"{path} in commit {sha[:12]} is larger than {MAX_FILE_BYTES:,} bytes.")
            return stream.read(int(head[2]))

    def list_files(self, sha: str, folder: str = "") -> tuple[str, ...]:
        """Paths of the files and links directly in a folder, sorted; empty when the commit has no such folder."""
        check_sha(sha)
        if not _is_plain(folder):
            return ()
        folder = folder.strip("/")
        answer = self.git("ls-tree", "-z", f"{sha}:{folder}")
        lines = [line.partition(b"\t") for line in answer.out.split(b"\0")[:-1]]
        names = [name.decode("utf-8", "replace") for head, _, name in lines if b" blob " in head]
        return tuple(sorted(f"{folder}/{name}" if folder else name for name in names))

    def commit(self, sha: str) -> Commit:
        """Who made a fetched commit, when, and its first line."""
        shown = self._log(sha, "--format=%H%x00%an%x00%ae%x00%s%x00%ct").decode("utf-8", "replace")
        full, name, email, subject, seconds = shown.rstrip("\n").split("\0")
        return Commit(full, name[:200], email[:200], subject[:500], datetime.fromtimestamp(int(seconds), UTC))

    def message(self, sha: str) -> str:
        """The whole commit message, at most 64 KiB of it."""
        return self._log(sha, "--format=%B")[:MAX_MESSAGE_BYTES].decode("utf-8", "replace").rstrip("\n")

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` has `older` in its history; a commit is its own ancestor. Both have to be here."""
        check_sha(older)
        check_sha(newer)
        answer = self.git("merge-base", "--is-ancestor", older, newer)
        if answer.code not in (0, 1):
            raise self.commit_missing(older if self.peel(older) is None else newer)
        return answer.code == 0

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that both have in their history; None if there is none, or one of the two is not here."""
        answer = self.git("merge-base", one, other)
        return None if answer.code else answer.out.decode().split()[0]

    def differing_paths(self, base: str, sha: str) -> tuple[str, ...] | None:
        """Paths of the files that differ between two commits, sorted.

        None when they are more than 10,000, or one of the commits is not here.
        """
        check_sha(base)
        check_sha(sha)
        if self.peel(base) is None or self.peel(sha) is None:
            return None
        found: list[str] = []
        with self.streaming([*_DIFF, base, sha], b"") as stream:
            rest = b""
            while block := stream.read(65536):
                *names, rest = (rest + block).split(b"\0")
                found += [name.decode("utf-8", "replace") for name in names]
                if len(found) > MAX_PATHS:
                    return None
        return tuple(sorted(found))

    def peel(self, sha: str) -> str | None:
        """The commit that an id means, which may be an annotated tag's; None if it is not here."""
        answer = self.git("rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}")
        return None if answer.code else answer.out.decode().strip()

    def commit_missing(self, sha: str, ref: str = "") -> CommitMissing:
        return CommitMissing(f"Commit {sha[:12]}{f' ({ref})' if ref else ''} is not in {self.path}.")

    def must(self, *args: str, stdin: str = "", extra: dict[str, str] | None = None) -> bytes:
        """The output of a command that cannot fail for reasons of the repository's. Raises GitFault."""
        answer = self.git(*args, stdin=stdin.encode("utf-8", "surrogateescape"), extra=extra)
        if answer.code:
            raise GitFault(f"git {args[0]} failed in {self.path}: {answer.error}")
        return answer.out

    def git(self, *args: str, stdin: bytes = b"", extra: dict[str, str] | None = None) -> Answer:
        answer = process.run(args, self.path.parent, self.environment() | (extra or {}), stdin=stdin)
        return replace(answer, error=redact(answer.error, None))

    def streaming(self, args: Sequence[str], stdin: bytes) -> AbstractContextManager[IO[bytes]]:
        return process.streaming(args, self.path.parent, self.environment(), stdin)

    def environment(self) -> dict[str, str]:
        config = self.path / "slipway.gitconfig"
        found = config if config.exists() else os.devnull
        return process.environment(self.path, found) | {"GIT_DIR": str(self.path)}

    def _log(self, sha: str, form: str) -> bytes:
        check_sha(sha)
        answer = self.git("log", "-1", "--no-show-signature", "--encoding=UTF-8", form, sha, "--")
        if answer.code:
            raise self.commit_missing(sha)
        return answer.out


def _is_plain(path: str) -> bool:
    return not any(char in path for char in "\0\r\n") and not path.startswith("/")
