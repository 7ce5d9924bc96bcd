"""The one door to git: a bare mirror per project, the spec read at a commit, a workspace made for its stages.

Every command is an argument list, run in a process group of its own with a deadline, in an environment where
no hook, prompt, helper, submodule or foreign configuration has a say. What comes from outside is checked in
`remotes` first and stands behind `--`.
"""

import base64
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from git.cmd import Git
from git.exc import GitCommandNotFound

from pipelines.errors import UserError
from pipelines.projects.clone_urls import check_clone_url
from runners.mirrors import GitFault, clear_leftovers, configuration, evict, locked
from runners.remotes import (
    BadRef,
    check_label,
    check_ref,
    check_sha,
    redact,
)
from runners.workspaces import GitFolder, TreeEntry, UnsafeTree, WorkspaceWriter, parse_tree

__all__ = [
    "BadRef",
    "CloneFailed",
    "Commit",
    "CommitMissing",
    "FileMissing",
    "GitFault",
    "Mirror",
    "UnsafeTree",
    "check_ref",
    "check_sha",
]

NETWORK_TIMEOUT_SECONDS = 300
LOCAL_TIMEOUT_SECONDS = 300
MAX_FILE_BYTES = 1024 * 1024
HISTORY_COMMITS = 50
PACKS_BEFORE_REPACK = 50

# The only variables of git's own that pass from our environment to its processes.
_KEPT_VARIABLES = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")


class CloneFailed(UserError):
    """The repository did not answer or refused; its URL, token or host has to be corrected."""


class CommitMissing(UserError):
    """The repository no longer has the commit or ref; a new push has to name one that exists."""


class FileMissing(UserError):
    """The commit has no such file, or one that cannot be read; the file has to be committed."""


class _TookTooLong(GitFault):
    """A command of git's reached its deadline and was killed."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as people are shown it. Name and email are what its maker typed, and prove nothing."""

    sha: str
    author_name: str
    author_email: str
    subject: str
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    out: bytes
    error: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """The bare copy of one repository on this machine, in `path`; made when first needed, and only a cache.

    Safe for any number of processes: writers take a file lock beside it. The commits of runs are held by pins
    `refs/slipway/<run>`; unpinned ones may go at any time. `token` is for https and is never in an argument.
    """

    path: Path
    clone_url: str
    token: str | None = field(default=None, repr=False)
    allow_http: bool = False
    timeout_seconds: float = NETWORK_TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        check_clone_url(self.clone_url, allow_local=True, allow_http=self.allow_http)

    def refs(self) -> dict[str, str]:
        """Every branch and tag as full ref with its commit, as the repository has them now."""
        if not self._is_ready:  # else nobody who fetches at the moment has to be waited for
            with locked(self.path):
                self._ensure()
        answer = self._ask_remote("ls-remote", "--heads", "--tags", "--", self.clone_url)
        if answer.code:
            raise self._clone_failed(answer)
        return _parse_refs(answer.out)

    def fetch(self, ref: str, sha: str, run: str) -> str:
        """Bring the commit here, pin it for `run` and return its id (`sha` may be an annotated tag's).

        Without network if the commit is here already. Raises CommitMissing when neither the commit nor the
        ref that had it is there any more, CloneFailed when the repository does not answer.
        """
        check_ref(ref)
        check_sha(sha)
        check_label(run)
        with locked(self.path) as lock:
            self._ensure()
            commit = self._peel(sha) or self._download(ref, sha, lock)
            self._write_refs({f"refs/slipway/{run}": commit, "refs/kept/last": commit})
            self._repack()
        return commit

    def release_pin(self, run: str) -> None:
        """Let go of the run's commit; nothing happens when there is no such pin."""
        check_label(run)
        with locked(self.path):
            if self.path.is_dir():
                self._git("update-ref", "-d", f"refs/slipway/{run}")

    def read_file(self, sha: str, path: str) -> bytes:
        """The file as it is in the commit; a link is followed inside the commit only. At most 1 MiB."""
        check_sha(sha)
        if not path or any(char in path for char in "\0\r\n") or path.startswith("/"):
            raise FileMissing(f"{path[:200]!r} is no path of a file in a repository.")
        request = f"{sha}:{path}\n".encode()
        with self._streaming(["cat-file", "--batch", "--follow-symlinks"], request) as stream:
            head = stream.readline().decode("utf-8", "replace").split()
            if len(head) != 3 or head[1] != "blob":
                raise FileMissing(f"There is no file {path} in commit {sha[:12]}; add it and push again.")
            if int(head[2]) > MAX_FILE_BYTES:
                raise FileMissing(f"{path} in commit {sha[:12]} is larger than {MAX_FILE_BYTES:,} bytes.")
            return stream.read(int(head[2]))

    def commit(self, sha: str) -> Commit:
        """Who made a fetched commit, when, and its first line."""
        check_sha(sha)
        form = "--format=%H%x00%an%x00%ae%x00%s%x00%ct"
        answer = self._git("log", "-1", "--no-show-signature", "--encoding=UTF-8", form, sha, "--")
        if answer.code:
            raise self._commit_missing(sha)
        full, name, email, subject, seconds = answer.out.decode("utf-8", "replace").rstrip("\n").split("\0")
        return Commit(full, name[:200], email[:200], subject[:500], datetime.fromtimestamp(int(seconds), UTC))

    def workspace(self, sha: str, ref: str) -> Path:
        """A tar archive of the fetched commit with a `.git` of its last 50 commits, all below `workspace/`.

        Made once for a commit and ref. The file stays for an hour at least; open it before then.
        """
        if (made := self.workspace_at_hand(sha, ref)) is not None:
            return made
        self._workspaces.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="making-", dir=self._workspaces) as folder:
            evict(self._workspaces)
            self._write_workspace(Path(folder), sha, ref)
            return Path(folder, "tar").replace(self._workspace_path(sha, ref))

    def workspace_at_hand(self, sha: str, ref: str) -> Path | None:
        """What `workspace` has made before on this machine, without asking git; None if it is not there any more."""
        check_sha(sha)
        check_ref(ref)
        made = self._workspace_path(sha, ref)
        with contextlib.suppress(FileNotFoundError):
            os.utime(made)
            return made
        return None

    def _workspace_path(self, sha: str, ref: str) -> Path:
        return self._workspaces / f"{sha}-{_digest(ref)}.tar"

    @property
    def _workspaces(self) -> Path:
        return self.path.with_name(self.path.name + ".workspaces")

    @property
    def _is_ready(self) -> bool:
        return self._config.is_file() and self._config.read_text() == configuration(self.clone_url)

    @property
    def _config(self) -> Path:
        return self.path / "slipway.gitconfig"

    def _write_workspace(self, folder: Path, sha: str, ref: str) -> None:
        history = self._git("rev-list", "--parents", f"--max-count={HISTORY_COMMITS}", sha, "--")
        if history.code:
            raise self._commit_missing(sha)
        shallow = _cut(history.out.decode().splitlines())
        revisions = "".join(f"--shallow {cut}\n" for cut in shallow) + f"{sha}\n"
        index = folder / "index"
        entries = parse_tree(self._must("ls-tree", "-r", "-z", "--full-tree", sha))
        read = self._git("read-tree", f"--index-output={index}", sha, index=index)
        if read.code:
            raise UnsafeTree(f"Git refuses to check out commit {sha[:12]}: {read.error}")
        self._must("pack-objects", "--revs", "--quiet", "--delta-base-offset", str(folder / "pack"), stdin=revisions)
        origin = None if self.clone_url.startswith("/") else self.clone_url
        packs = tuple(sorted(folder.glob("pack-*")))
        git = GitFolder(sha, ref, shallow, origin, index, packs)
        self._write_tar(folder / "tar", entries, git)

    def _write_tar(self, target: Path, entries: list[TreeEntry], git: GitFolder) -> None:
        made_at = int(self.commit(git.sha).committed_at.timestamp())
        wanted = "".join(f"{entry.sha}\n" for entry in entries if entry.has_blob).encode()
        with target.open("wb") as file:
            writer = WorkspaceWriter(file, max(made_at, 0))
            writer.add_git(git)
            with self._streaming(["cat-file", "--batch"], wanted) as blobs:
                writer.add_entries(entries, blobs)
            writer.close()

    def _download(self, ref: str, sha: str, lock: int) -> str:
        """By id, which a force-push in between does not disturb; by ref where the host refuses ids."""
        by_id = self._fetch_spec(sha, lock)
        if by_id.code == 0 and (commit := self._peel(sha)):
            return commit
        by_ref = self._fetch_spec(ref, lock)
        if by_ref.code and "couldn't find remote ref" not in by_ref.error:
            raise self._clone_failed(by_ref)
        commit = self._peel(sha)
        if commit is None:
            raise self._commit_missing(sha, ref)
        return commit

    def _fetch_spec(self, spec: str, lock: int) -> _Answer:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc"]
        return self._ask_remote("fetch", *options, "--", self.clone_url, spec, lock=lock)

    def _peel(self, sha: str) -> str | None:
        answer = self._git("rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}")
        return None if answer.code else answer.out.decode().strip()

    def _write_refs(self, refs: dict[str, str]) -> None:
        self._must("update-ref", "--stdin", stdin="".join(f"update {ref} {sha}\n" for ref, sha in refs.items()))

    def _repack(self) -> None:
        """One pack instead of many, without what no pin holds; readers find the new pack by themselves."""
        if len(list((self.path / "objects" / "pack").glob("*.pack"))) > PACKS_BEFORE_REPACK:
            self._must("pack-refs", "--all")
            self._must("repack", "-a", "-d", "-q")

    def _ensure(self) -> None:
        """Make the mirror, whole or not at all, and clear what a killed writer left; needs the lock."""
        if not self.path.is_dir():
            with tempfile.TemporaryDirectory(prefix="making-", dir=self.path.parent) as folder:
                bare = Path(folder, "bare")
                self._must("init", "--bare", "--quiet", "--template=", "--", str(bare), repository=False)
                bare.rename(self.path)
        if not self._is_ready:
            self._config.write_text(configuration(self.clone_url))
        clear_leftovers(self.path)

    def _clone_failed(self, answer: _Answer) -> CloneFailed:
        return CloneFailed(
            f"{self.clone_url} could not be read: {answer.error}. Check the clone URL, the project's token,"
            " and whether this server reaches the host."
        )

    def _commit_missing(self, sha: str, ref: str = "") -> CommitMissing:
        where = f" ({ref})" if ref else ""
        return CommitMissing(
            f"Commit {sha[:12]}{where} is not in {self.clone_url}: it was force-pushed away or its ref"
            " deleted. Push again to start a new run."
        )

    def _ask_remote(self, *args: str, lock: int | None = None) -> _Answer:
        try:
            return self._git(*args, seconds=self.timeout_seconds, lock=lock)
        except _TookTooLong as error:
            raise CloneFailed(
                f"{self.clone_url} did not answer within {self.timeout_seconds:g} seconds. Check that the"
                " host is up and the repository not too large."
            ) from error

    def _must(self, *args: str, stdin: str = "", index: Path | None = None, repository: bool = True) -> bytes:
        answer = self._git(*args, stdin=stdin.encode(), index=index, repository=repository)
        if answer.code:
            raise GitFault(f"git {args[0]} failed in {self.path}: {answer.error}")
        return answer.out

    def _git(
        self,
        *args: str,
        stdin: bytes = b"",
        seconds: float = LOCAL_TIMEOUT_SECONDS,
        lock: int | None = None,
        index: Path | None = None,
        repository: bool = True,
    ) -> _Answer:
        env = self._environment(repository) | ({"GIT_INDEX_FILE": str(index)} if index else {})
        process = _start(args, self.path.parent, env, subprocess.PIPE, () if lock is None else (lock,))
        try:
            out, error = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise _TookTooLong(f"git {args[0]} took longer than {seconds:g} seconds in {self.path}.") from None
        finally:
            _end(process)
        return _Answer(process.returncode, out, redact(error.decode("utf-8", "replace"), self.token))

    @contextlib.contextmanager
    def _streaming(self, args: Sequence[str], stdin: bytes) -> Iterator[IO[bytes]]:
        """The output of a local command while it runs; the process is gone afterwards."""
        with tempfile.TemporaryFile() as requests:
            requests.write(stdin)
            requests.seek(0)
            process = _start(args, self.path.parent, self._environment(), requests.fileno(), ())
            watchdog = threading.Timer(LOCAL_TIMEOUT_SECONDS, _end, [process])
            watchdog.start()
            try:
                assert process.stdout is not None
                yield process.stdout
            finally:
                watchdog.cancel()
                _end(process)

    def _environment(self, repository: bool = True) -> dict[str, str]:
        env = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._config) if repository else os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": "https:file:http" if self.allow_http else "https:file",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "HOME": str(self.path),
            "XDG_CONFIG_HOME": str(self.path),
            **self._credentials(),
        }
        if repository:
            env["GIT_DIR"] = str(self.path)
        if "SSL_CERT_FILE" in os.environ and "GIT_SSL_CAINFO" not in os.environ:
            env["GIT_SSL_CAINFO"] = os.environ["SSL_CERT_FILE"]
        return env

    def _credentials(self) -> dict[str, str]:
        """The token as a header for this one host, by the environment: every user can read arguments."""
        if not self.token or self.clone_url.startswith("/"):
            return {"GIT_CONFIG_COUNT": "0"}
        parts = urlsplit(self.clone_url)
        basic = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }


def _start(
    args: Sequence[str], folder: Path, env: dict[str, str], stdin: int, inherited: tuple[int, ...]
) -> "subprocess.Popen[bytes]":
    """Git in a session of its own; variables of git's that we do not set ourselves are taken away."""
    stray = [name for name in os.environ if name.startswith("GIT_") and name not in (*_KEPT_VARIABLES, *env)]
    without = ["env", *(part for name in stray for part in ("-u", name))] if stray else []
    try:
        started = Git(folder).execute(
            [*without, "git", *args],
            istream=stdin,
            as_process=True,
            env=env,
            start_new_session=True,
            pass_fds=inherited,
        )
    except GitCommandNotFound as error:
        raise GitFault("The command `git` is not installed on this machine, or not on PATH.") from error
    process = started.proc
    assert process is not None
    # GitPython's wrapper would end only the first process, and only when it is collected.
    started.proc = None
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the whole process group and collect it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _parse_refs(listing: bytes) -> dict[str, str]:
    """`ls-remote` names an annotated tag twice; its second line, with `^{}`, has the commit.

    Only a newline ends a line: `splitlines` would also cut at U+2028 or U+0085, which a branch's name may hold, and
    `main\u2028x` would pass for `main`.
    """
    refs: dict[str, str] = {}
    for line in listing.decode("utf-8", "replace").split("\n"):
        sha, _, ref = line.partition("\t")
        if re.fullmatch(r"[0-9a-f]{40,64}", sha):
            refs[ref.removesuffix("^{}")] = sha
    return refs


def _cut(history: list[str]) -> tuple[str, ...]:
    """Commits with a parent outside the history, which is lines of a commit and its parents."""
    lines = [line.split() for line in history]
    inside = {line[0] for line in lines}
    return tuple(line[0] for line in lines if not inside.issuperset(line[1:]))


def _digest(ref: str) -> str:
    return hashlib.sha256(ref.encode("utf-8", "surrogateescape")).hexdigest()[:16]
