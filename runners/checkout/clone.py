"""A bare clone of one repository: made when first needed, fetched from its code host, and only a cache."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.projects.clone_urls import Transport, check_clone_url
from runners.checkout import hostkeys, process
from runners.checkout.access import Access
from runners.checkout.errors import CloneFailed, CommitMissing, GitFault, TookTooLong
from runners.checkout.process import Answer
from runners.checkout.refs import check_label, check_ref, check_sha, is_nothing, parse_refs, redact
from runners.checkout.repository import Repository
from runners.checkout.storage import clear_leftovers, configuration, locked

NETWORK_TIMEOUT_SECONDS = 300
TAGS = "refs/code-host/tags/"
HEAD = "ref: refs/heads/"
PACKS_BEFORE_REPACK = 50
_QUIETLY = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc")


@dataclass(frozen=True, slots=True)
class Clone(Repository):
    """The bare clone in `path`. Safe for any number of processes: writers take a file lock beside it.

    The commits of runs are held by pins `refs/slipway/<run>`; unpinned ones may go at any time. `token` is for https,
    `deploy_key` (with the `host_keys` that the host is known by) for ssh; none is ever in an argument.
    """

    clone_url: str
    token: str | None = field(default=None, repr=False)
    allow_http: bool = False
    timeout_seconds: float = NETWORK_TIMEOUT_SECONDS
    deploy_key: str = field(default="", repr=False)
    host_keys: str = ""

    def __post_init__(self) -> None:
        check_clone_url(self.clone_url, allow_local=True, allow_http=self.allow_http)

    def refs(self) -> dict[str, str]:
        """Every branch and tag as full ref with its commit, as the repository has them now."""
        return self._list_remote("--heads", "--tags", "--", self.clone_url)

    def default_branch(self) -> str | None:
        """The branch that the repository calls its own, without refs/heads/; None if it is empty or does not say."""
        listing = self._remote("--symref", "--", self.clone_url, "HEAD").decode("utf-8", "replace")
        named = (line.partition("\t")[0] for line in listing.split("\n") if line.endswith("\tHEAD"))
        return next((name.removeprefix(HEAD) for name in named if name.startswith(HEAD)), None)

    def fetch(self, ref: str, sha: str, run: str) -> str:
        """Bring the commit here, pin it for `run` and return its id (`sha` may be an annotated tag's).

        Without network if the commit is here already. Raises CommitMissing when neither the commit nor the
        ref that had it is there any more, CloneFailed when the repository does not answer.
        """
        check_ref(ref)
        check_sha(sha)
        check_label(run)
        return self.bring(sha, [ref], run)

    def release_pin(self, run: str) -> None:
        """Let go of the run's commit; nothing happens when there is no such pin."""
        check_label(run)
        with locked(self.path):
            if self.path.is_dir():
                self.git("update-ref", "-d", f"refs/slipway/{run}")

    def tip(self, ref: str) -> str | None:
        """The commit that a ref has at the code host now, brought here; None if there is no such ref."""
        check_ref(ref)
        sha = self._list_remote("--", self.clone_url, ref, f"{ref}^{{}}").get(ref)
        return None if sha is None else self.obtain(sha, ref)

    def obtain(self, sha: str, ref: str = "") -> str | None:
        """The commit of this id, fetched if need be and not pinned; None if it cannot be had.

        By `ref`, when that is given and the host refuses ids.
        """
        check_sha(sha)
        if is_nothing(sha):
            return None
        with locked(self.path) as lock:
            self._ensure()
            for spec in (sha, ref) if ref else (sha,):
                if (here := self.peel(sha)) is not None:
                    return here
                self._fetch_specs([spec], lock)
            return self.peel(sha)

    def changed_paths(self, base_sha: str, sha: str) -> tuple[str, ...] | None:
        """Paths of the files that differ between two commits, sorted.

        None when that is unknown, and all has to be taken as changed: no base (empty or zeros), one that cannot be
        had any more, or more than 10,000 paths.
        """
        try:
            base = self.obtain(base_sha) if base_sha else None
        except CloneFailed:
            return None
        return None if base is None else self.differing_paths(base, sha)

    def fork_point(self, sha: str, ref: str) -> str:
        """Where the history of a fetched commit left that of the branch or tag `ref`: a base for `changed_paths`.

        Empty when that is unknown: no such ref any more, or histories that have nothing in common.
        """
        try:
            tip = self.tip(ref)
        except CloneFailed:
            return ""
        return (self.merge_base(tip, sha) if tip else None) or ""

    def fetch_tags(self) -> None:
        """Have below `TAGS` the tags that the code host has now, and no others."""
        with locked(self.path) as lock:
            self._ensure()
            answer = self._fetch_specs([f"+refs/tags/*:{TAGS}*"], lock, "--prune")
        if answer.code:
            raise self._clone_failed(answer)

    @property
    def access(self) -> Access:
        return Access(self.clone_url, self.token, self.deploy_key, self.host_keys, self.allow_http)

    def commit_missing(self, sha: str, ref: str = "") -> CommitMissing:
        where = f" ({ref})" if ref else ""
        return CommitMissing(
            f"Commit {sha[:12]}{where} is not in {self.clone_url}: it was force-pushed away or its ref"
            " deleted. Push again to start a new run."
        )

    def bring(self, sha: str, specs: Sequence[str], run: str) -> str:
        """Fetch the commit by its id, or by `specs` (full refs, or patterns of them), and pin it for `run`."""
        with locked(self.path) as lock:
            self._ensure()
            commit = self.peel(sha) or self._download(specs, sha, lock)
            self._write_refs({f"refs/slipway/{run}": commit, "refs/kept/last": commit})
            self._repack()
        return commit

    @property
    def _is_ready(self) -> bool:
        return self._config.is_file() and self._config.read_text() == configuration(self.clone_url)

    @property
    def _config(self) -> Path:
        return self.path / "slipway.gitconfig"

    def _download(self, specs: Sequence[str], sha: str, lock: int) -> str:
        """By id, which a force-push in between does not disturb; by ref where the host refuses ids."""
        by_id = self._fetch_specs([sha], lock)
        if by_id.code == 0 and (commit := self.peel(sha)):
            return commit
        by_ref = self._fetch_specs(specs, lock)
        if by_ref.code and "couldn't find remote ref" not in by_ref.error:
            raise self._clone_failed(by_ref)
        commit = self.peel(sha)
        if commit is None:
            raise self.commit_missing(sha, specs[0] if len(specs) == 1 else "")
        return commit

    def _fetch_specs(self, specs: Sequence[str], lock: int, *options: str) -> Answer:
        return self._ask_remote("fetch", *_QUIETLY, *options, "--", self.clone_url, *specs, lock=lock)

    def _write_refs(self, refs: dict[str, str]) -> None:
        self.must("update-ref", "--stdin", stdin="".join(f"update {ref} {sha}\n" for ref, sha in refs.items()))

    def _repack(self) -> None:
        """One pack instead of many, without what no pin holds; readers find the new pack by themselves."""
        if len(list((self.path / "objects" / "pack").glob("*.pack"))) > PACKS_BEFORE_REPACK:
            self.must("pack-refs", "--all")
            self.must("repack", "-a", "-d", "-q")

    def _ensure(self) -> None:
        """Make the clone, whole or not at all, and clear what a killed writer left; needs the lock."""
        if not self.path.is_dir():
            with tempfile.TemporaryDirectory(prefix="making-", dir=self.path.parent) as folder:
                bare = Path(folder, "bare")
                self._init(bare)
                bare.rename(self.path)
        if not self._is_ready:
            self._config.write_text(configuration(self.clone_url))
        clear_leftovers(self.path)

    def _init(self, bare: Path) -> None:
        command = ["init", "--bare", "--quiet", "--template=", "--", str(bare)]
        answer = process.run(command, self.path.parent, process.environment(self.path))
        if answer.code:
            raise GitFault(f"{bare} could not be made: {redact(answer.error, None)}")

    def _list_remote(self, *args: str) -> dict[str, str]:
        return parse_refs(self._remote(*args))

    def _remote(self, *args: str) -> bytes:
        if not self._is_ready:  # else nobody who fetches at the moment has to be waited for
            with locked(self.path):
                self._ensure()
        answer = self._ask_remote("ls-remote", *args)
        if answer.code:
            raise self._clone_failed(answer)
        return answer.out

    def _ask_remote(self, *args: str, lock: int | None = None) -> Answer:
        """Raises CloneFailed when there is no answer in time, or none from a host that is believed."""
        folder = self.path.parent
        try:
            with self.access.opened(folder) as opening:
                env = self.environment() | opening
                answer = process.run(args, folder, env, seconds=self.timeout_seconds, lock=lock)
        except TookTooLong as error:
            raise CloneFailed(
                f"{self.clone_url} did not answer within {self.timeout_seconds:g} seconds. Check that the"
                " host is up and the repository not too large."
            ) from error
        if "Host key verification failed" in answer.error and self.access.url.transport == Transport.SSH:
            raise hostkeys.refusal(self.clone_url, self.access.url, self.host_keys)
        return replace(answer, error=redact(answer.error, self.token))

    def _clone_failed(self, answer: Answer) -> CloneFailed:
        opener = "deploy key" if self.access.url.transport == Transport.SSH else "token"
        return CloneFailed(
            f"{self.clone_url} could not be read: {answer.error}. Check the clone URL, the project's {opener},"
            " and whether this server reaches the host."
        )
