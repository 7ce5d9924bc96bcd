"""What a repository and its code host say of themselves, for whoever sets a project up."""

import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from pipelines.errors import UserError
from pipelines.projects.clone_urls import CloneUrl, Transport, parse_clone_url
from pipelines.projects.code_host_keys import PinnedKey, parse_host_keys, pin_name
from pipelines.projects.models import Project
from pipelines.spec import starters
from pipelines.spec.errors import SpecError
from pipelines.spec.includes import IncludeSpec
from pipelines.spec.parser import parse
from runners.checkout import FileMissing, Mirror, Repository
from runners.checkout.clone import Clone
from runners.checkout.hostkeys import scan
from runners.planning import mirror_of

_PATIENCE_SECONDS = 30  # somebody looks at the page
_FETCH_SECONDS = 240
_NAMES_SHOWN = 40
_TESTS = ("tests", "test")


class _Elsewhere(Exception):
    """It includes a file of another project: only a run reads that."""


class NotReached(UserError):
    """The host did not answer; its name, port or the network has to be looked at."""


def reach(question: dict[str, Any]) -> dict[str, Any]:
    """A clone URL that is no project's yet: whether anybody answers there, and what can be seen without credentials.

    Raises BadCloneUrl, CloneFailed and NotReached.
    """
    text = str(question.get("url", ""))
    url = parse_clone_url(text, allow_local=settings.SLIPWAY_LOCAL_CLONES)
    if url.transport == Transport.SSH:
        return {"transport": url.transport, "host": pin_name(url.host, url.port), "keys": len(_shown_by(url))}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slipway-reach-") as folder:
        clone = Clone(Path(folder, "reached.git"), text, timeout_seconds=_PATIENCE_SECONDS)
        refs, branch = clone.refs(), clone.default_branch()
    return {"transport": url.transport, **_standing(refs, branch), "seconds": time.monotonic() - began}


def read(project: Project) -> dict[str, Any]:
    """A project's repository as it is now, read with the project's own credentials: its default branch and the files
    there, and pipelines to start from. Raises CloneFailed, which says what is missing."""
    began = time.monotonic()
    mirror = replace(mirror_of(project), timeout_seconds=_PATIENCE_SECONDS)
    refs, own = mirror.refs(), mirror.default_branch()
    answer = {**_standing(refs, own), "branch": project.default_branch, "own_branch": own}
    sha = replace(mirror, timeout_seconds=_FETCH_SECONDS).tip(project.default_ref)
    if sha is None:
        return {**answer, "sha": "", "seconds": time.monotonic() - began}
    return {**answer, **_looked_at(project, mirror, sha), "seconds": time.monotonic() - began}


def code_host_keys(project: Project) -> dict[str, Any]:
    """The keys that the project's code host shows, each with whether it is approved. Raises NotReached."""
    url = parse_clone_url(project.clone_url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
    pinned = [key for key in parse_host_keys(project.code_host_keys) if key.is_of(url.host, url.port)]
    keys = [
        {**asdict(key), "fingerprint": key.fingerprint, "known": _standing_of(key, pinned)} for key in _shown_by(url)
    ]
    return {"host": pin_name(url.host, url.port), "keys": keys}


def _shown_by(url: CloneUrl) -> list[PinnedKey]:
    shown = scan(url.host, url.port)
    if not shown:
        raise NotReached(
            f"{pin_name(url.host, url.port)} showed no key over ssh. Check its name and port, and whether this server"
            " reaches it."
        )
    return [replace(key, names=pin_name(url.host, url.port)) for key in shown]


def _standing_of(key: PinnedKey, pinned: list[PinnedKey]) -> str:
    if any((one.type, one.base64) == (key.type, key.base64) for one in pinned):
        return "same"
    return "changed" if any(one.type == key.type for one in pinned) else "new"


def _standing(refs: dict[str, str], own: str | None) -> dict[str, Any]:
    """How many branches there are, and where the repository's own default branch stands."""
    branches = [ref for ref in refs if ref.startswith("refs/heads/")]
    return {"branch": own, "sha": refs.get(f"refs/heads/{own}", ""), "branches": len(branches)}


def _looked_at(project: Project, mirror: Mirror, sha: str) -> dict[str, Any]:
    commit = mirror.commit(sha)
    files = mirror.list_files(sha)
    folders = tuple(f"{name}/" for name in _TESTS if mirror.list_files(sha, name))
    texts = {name: _text(mirror, sha, name) for name in starters.TELLING if name in files}
    made = starters.starters(starters.Folder({*files, *folders}, texts))
    return {
        "sha": sha,
        "title": commit.subject,
        "author": commit.author_name,
        "names": [*folders, *files][:_NAMES_SHOWN],
        "spec": _spec(project, mirror, sha),
        "starters": [asdict(one) for one in made],
    }


def _spec(project: Project, mirror: Repository, sha: str) -> dict[str, Any]:
    """Whether the repository brings its pipeline along, and what is wrong with it."""
    try:
        text = mirror.read_file(sha, project.spec_path)
    except FileMissing:
        return {"is_there": bool(mirror.list_files(sha, project.spec_path)), "problems": ""}

    def load(wanted: IncludeSpec) -> bytes:
        if wanted.project:
            raise _Elsewhere
        return mirror.read_file(sha, wanted.path)

    try:
        parse(text, path=project.spec_path, load=load)
    except SpecError as error:
        return {"is_there": True, "problems": str(error)}
    except _Elsewhere:
        pass
    return {"is_there": True, "problems": ""}


def _text(mirror: Repository, sha: str, name: str) -> str:
    try:
        return mirror.read_file(sha, name).decode("utf-8", "replace")
    except FileMissing:
        return ""
