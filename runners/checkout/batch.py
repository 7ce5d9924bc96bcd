"""The batch API of Git LFS: asked where files are, and fetching them.

The API is the code host's own: `.lfsconfig` of a commit has no say.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.projects.clone_urls import Transport
from runners.checkout.access import Access
from runners.checkout.downloads import Server, Unreachable
from runners.checkout.errors import CloneFailed, LfsRefused
from runners.checkout.pointers import Pointer
from runners.checkout.refs import redact

_AT_ONCE = 100
_JSON = "application/vnd.git-lfs+json"
_SSH_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file can be downloaded, and what to show there."""

    pointer: Pointer
    href: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """An open door to the API of one repository."""

    clone_url: str
    server: Server
    endpoint: str
    headers: Mapping[str, str] = field(repr=False)

    def places(self, pointers: Sequence[Pointer]) -> Iterator[Place]:
        """Where each of the files is. Raises CloneFailed, or LfsRefused for a file that the host does not have."""
        for start in range(0, len(pointers), _AT_ONCE):
            asked = {pointer.oid: pointer for pointer in pointers[start : start + _AT_ONCE]}
            told = {str(one.get("oid")): one for one in self._ask(list(asked.values()))}
            for oid, pointer in asked.items():
                yield self._place(pointer, told.get(oid, {}))

    def blocks(self, place: Place) -> Iterator[bytes]:
        """The file's content as it comes, not yet believed. Raises LfsRefused."""
        try:
            yield from self.server.blocks(place.href, place.headers, place.pointer.size)
        except Unreachable as error:
            raise LfsRefused(f"The Git LFS file {place.pointer.oid[:12]} was not downloaded: {error}.") from error

    def _ask(self, pointers: list[Pointer]) -> list[dict[str, Any]]:
        objects = [{"oid": pointer.oid, "size": pointer.size} for pointer in pointers]
        question = {"operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects}
        headers = {**self.headers, "Accept": _JSON, "Content-Type": _JSON}
        try:
            answer = self.server.ask(f"{self.endpoint}/objects/batch", headers, question)
        except Unreachable as error:
            raise CloneFailed(
                f"{self.clone_url} did not say where its Git LFS files are: {error}. Check that LFS is switched on at"
                " the code host, and that the project's token or key may read it."
            ) from error
        found = answer.get("objects") if isinstance(answer, dict) else None
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _place(self, pointer: Pointer, told: Mapping[str, Any]) -> Place:
        try:
            action = told["actions"]["download"]
            href, given = str(action["href"]), dict(action.get("header") or {})
        except (KeyError, TypeError, ValueError, AttributeError):
            raise LfsRefused(
                f"{self.clone_url} does not have the Git LFS file {pointer.oid[:12]}: push it with"
                " `git lfs push --all`."
            ) from None
        headers = {str(name): str(value) for name, value in given.items()}
        if self.server.is_own(href) and "authorization" not in {name.lower() for name in headers}:
            headers |= self.headers
        return Place(pointer, href, headers)


def open_batch(access: Access, folder: Path, hosts: Sequence[str], timeout_seconds: float) -> Batch:
    """The API of a repository that is reached over https or ssh; `folder` is for a key's file meanwhile."""
    if access.url.transport == Transport.SSH:
        endpoint, headers = _authenticate(access, folder, hosts)
    else:
        endpoint = f"{access.clone_url.rstrip('/').removesuffix('.git')}.git/info/lfs"
        basic = access.basic()
        headers = {"Authorization": basic} if basic else {}
    server = Server(urlsplit(endpoint).netloc, frozenset(hosts), access.allow_http, timeout_seconds)
    return Batch(access.clone_url, server, endpoint, headers)


def _authenticate(access: Access, folder: Path, hosts: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Ask over ssh for the API's address and a short-lived header, as git-lfs does."""
    url = access.url
    said = _ask_over_ssh(access, folder)
    try:
        answer = json.loads(said)
        href, headers = str(answer["href"]), dict(answer.get("header") or {})
        parts = urlsplit(href)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CloneFailed(
            f"{access.clone_url} gives no access to Git LFS over ssh. Switch LFS on at the code host, or clone"
            " over https."
        ) from error
    if parts.hostname != url.host and parts.netloc not in hosts:
        raise LfsRefused(
            f"{access.clone_url} has its Git LFS on {parts.netloc[:200]!r}: if that is as it should be, add the host to"
            " the LFS hosts in the project's settings."
        )
    return href.rstrip("/"), {str(name): str(value) for name, value in headers.items()}


def _ask_over_ssh(access: Access, folder: Path) -> bytes:
    url = access.url
    with access.ssh(folder) as ssh:
        asked = f"git-lfs-authenticate {url.path} download"
        command = [*ssh, "-p", str(url.port), "--", f"{url.user}@{url.host}", asked]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SSH_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise CloneFailed(f"{access.clone_url} did not answer within {_SSH_SECONDS} seconds.") from error
    if done.returncode:
        said = redact(done.stderr.decode("utf-8", "replace"), None)
        raise CloneFailed(
            f"{access.clone_url} gives no access to Git LFS over ssh: {said}. Switch LFS on at the code host, or clone"
            " over https."
        )
    return done.stdout
