"""A project's mirror: a bare clone, and the workspaces made of it, with submodules and large files if asked for."""

import contextlib
import hashlib
import os
import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pipelines.projects.clone_urls import Transport, parse_clone_url, same_place
from runners.checkout import assembly, pointers, submodules
from runners.checkout.assembly import Laying
from runners.checkout.clone import TAGS, Clone
from runners.checkout.errors import CloneFailed, SubmoduleRefused
from runners.checkout.lfs import Store
from runners.checkout.refs import check_ref, check_sha
from runners.checkout.storage import evict
from runners.checkout.submodules import Origin, Submodule
from runners.checkout.workspaces import TreeEntry

DEFAULT_DEPTH = 50
_WITHOUT_CREDENTIALS = (
    " It was asked for without the project's credentials, which are only for its own host and for commits that do not"
    " come from outside."
)
_ANYWHERE = ("refs/heads/*", "refs/tags/*")


@dataclass(frozen=True, slots=True)
class Mirror(Clone):
    """A bare clone from which workspaces are made.

    `depth` is how many commits of history a workspace has; 0 for all, and the tags in it. `shares_credentials` says
    whether submodules on the same host are fetched with the token or key of the project, too: not for commits from
    outside the project, which could name there whatever that can read. `local_submodules` lets repositories of this
    machine name others.
    """

    depth: int = DEFAULT_DEPTH
    with_submodules: bool = False
    with_lfs: bool = False
    lfs_hosts: tuple[str, ...] = ()
    shares_credentials: bool = False
    local_submodules: bool = False

    def workspace(self, sha: str, ref: str) -> Path:
        """A tar archive of the fetched commit with a `.git` of its last commits, all below `workspace/`.

        Made once for a commit, ref and settings. The file stays for an hour at least; open it before then.
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
        modules = (self.with_submodules, self.shares_credentials) if self.with_submodules else ()
        made_of = repr((self.depth, modules, self.with_lfs))
        return self._workspaces / f"{sha}-{_digest(ref)}-{_digest(made_of)}.tar"

    @property
    def _workspaces(self) -> Path:
        return self.path.with_name(self.path.name + ".workspaces")

    def _write_workspace(self, folder: Path, sha: str, ref: str) -> None:
        made_at = int(self.commit(sha).committed_at.timestamp())
        with (folder / "tar").open("wb") as file:
            laying = Laying.start(folder, file, max(made_at, 0))
            self._lay(laying, sha, ref)
            laying.writer.close()

    def _lay(self, laying: Laying, sha: str, ref: str | None) -> None:
        """Put the commit, and with it its submodules, where `laying` says."""
        entries = assembly.entries(self, sha)
        modules = self._submodules(sha, entries) if self.with_submodules else []
        index = assembly.read_index(self, laying, sha)
        found = pointers.find(self, index, entries) if self.with_lfs else {}
        objects = self._store.bring(found.values()) if found else {}
        large = {path: objects[pointer.oid] for path, pointer in found.items()}
        tags = self._tags(sha, ref) if self.depth == 0 else ()
        git = assembly.git_folder(self, laying, sha, self.depth, tags)
        origin = None if self.clone_url.startswith("/") else self.clone_url
        named = tuple((module.name, module.url) for module in modules)
        assembly.write(self, laying, replace(git, ref=ref, origin=origin, modules=named), entries, large)
        for module in modules:
            self._lay_submodule(laying.below(module.path), module)

    def _lay_submodule(self, laying: Laying, module: Submodule) -> None:
        mirror = self._mirror_of(module)
        pin = f"making-{uuid.uuid4().hex}"
        try:
            mirror.bring(module.sha, _ANYWHERE, pin)
        except CloneFailed as error:
            why = "" if mirror.shares_credentials else _WITHOUT_CREDENTIALS
            raise type(error)(f"The submodule {module.name} was not fetched: {error}{why}") from error
        try:
            mirror._lay(laying, module.sha, None)
        finally:
            mirror.release_pin(pin)

    def _submodules(self, sha: str, entries: list[TreeEntry]) -> list[Submodule]:
        if all(entry.has_blob for entry in entries):
            return []
        listing = b""
        if any(entry.path == ".gitmodules" and entry.is_file for entry in entries):
            self.read_file(sha, ".gitmodules")  # refuses one that is too large
            listed = self.git("config", "--no-includes", "-z", "--list", "--blob", f"{sha}:.gitmodules")
            if listed.code:
                raise SubmoduleRefused(f".gitmodules of commit {sha[:12]} cannot be read: {listed.error}")
            listing = listed.out
        local = self.local_submodules and self.clone_url.startswith("/")
        return submodules.find(entries, listing, Origin(self.clone_url, local, self.allow_http))

    def _tags(self, sha: str, ref: str | None) -> tuple[tuple[str, str], ...]:
        """Tags in the commit's history as the code host has them now: full ref and object.

        Without the tag `ref`, if that has moved since: then it is what was pushed.
        """
        self.fetch_tags()
        merged = self.must("for-each-ref", f"--merged={sha}", "--format=%(objectname) %(refname)", TAGS)
        lines = (line.partition(" ") for line in merged.decode("utf-8", "surrogateescape").split("\n") if line)
        tags = ((f"refs/tags/{name.removeprefix(TAGS)}", tagged) for tagged, _, name in lines)
        return tuple((name, tagged) for name, tagged in tags if name != ref or self.peel(tagged) == sha)

    def _mirror_of(self, module: Submodule) -> Self:
        """A mirror of its own. What was fetched with credentials lies apart: who has none shall not find it there."""
        shares = self.shares_credentials and same_place(module.url, self.clone_url)
        if not shares and parse_clone_url(module.url, allow_local=True, allow_http=True).transport == Transport.SSH:
            raise SubmoduleRefused(
                f"The submodule {module.name} comes over ssh from {module.url}, and the project's deploy key is shown"
                " only to the project's own host, for commits that do not come from outside. Give it a public https"
                " URL."
            )
        folder = self.path.with_name(self.path.name + ".modules")
        return replace(
            self,
            path=folder / f"{_digest(repr((module.url, shares)))}.git",
            clone_url=module.url,
            token=self.token if shares else None,
            deploy_key=self.deploy_key if shares else "",
            shares_credentials=shares,
        )

    @property
    def _store(self) -> Store:
        folder = self.path.with_name(self.path.name + ".lfs")
        return Store(folder, self.access, self.lfs_hosts, self.timeout_seconds)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
