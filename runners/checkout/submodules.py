"""Which submodules a commit has, and where from: read of `.gitmodules`, and nothing of it believed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.projects.clone_urls import BadCloneUrl, Transport, parse_clone_url
from runners.checkout.errors import SubmoduleRefused
from runners.checkout.workspaces import TreeEntry

MAX_SUBMODULES = 50  # of one workspace, with those of submodules
MAX_DEPTH = 4
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a commit's repository was cloned from, and which kinds of URL its submodules may have."""

    clone_url: str
    allow_local: bool
    allow_http: bool


@dataclass(frozen=True, slots=True)
class Submodule:
    """A submodule at the commit `sha` that lies at `path`, cloned from `url`, which was checked."""

    name: str
    path: str
    url: str
    sha: str


def find(entries: Iterable[TreeEntry], listing: bytes, origin: Origin) -> list[Submodule]:
    """The submodules among the entries; `listing` is `git config -z --list` of `.gitmodules`.

    Raises SubmoduleRefused for one that `.gitmodules` does not name, or with a URL that cannot be cloned.
    """
    sections = _sections(listing)
    known = {section["path"]: name for name, section in sections.items() if "path" in section}
    found = []
    for entry in entries:
        if entry.has_blob:
            continue
        name = known.get(entry.path)
        if name is None or "url" not in sections[name]:
            raise SubmoduleRefused(
                f"The commit has a submodule at {entry.path[:200]!r}, and .gitmodules does not say where from: add its"
                " URL there, or take it out with `git rm --cached`."
            )
        if sections[name].get("update") != "none":
            found.append(Submodule(name, entry.path, _checked(name, sections[name]["url"], origin), entry.sha))
    return found


def resolve(url: str, clone_url: str) -> str:
    """A URL relative to the superproject's, as git resolves it; any other as it is. Raises SubmoduleRefused."""
    if not url.startswith(("./", "../")):
        return url
    base, rest = clone_url.rstrip("/"), url
    while rest.startswith(("./", "../")):
        step, _, rest = rest.partition("/")
        if step == "..":
            base = _parent(base, url)
    separator = "" if base.endswith(":") else "/"
    return f"{base}{separator}{rest}"


def _parent(base: str, url: str) -> str:
    start = len(re.match(r"(?:[a-z]+://[^/]*|[^/:]*:)?", base)[0])  # type: ignore[index]  # it matches nothing, too
    head, slash, _ = base[start:].rpartition("/")
    if not slash and not base[start:]:
        raise SubmoduleRefused(f"The submodule URL {url[:200]!r} leads out of its host.")
    return base[:start] + head


def _checked(name: str, url: str, origin: Origin) -> str:
    resolved = resolve(url, origin.clone_url)
    try:
        if not _NAME.fullmatch(name) or ".." in name.split("/"):
            raise SubmoduleRefused(f"The submodule's name {name[:200]!r} is not one that git takes.")
        parts = parse_clone_url(resolved, allow_local=origin.allow_local, allow_http=origin.allow_http)
        if parts.transport == Transport.LOCAL and not origin.clone_url.startswith("/"):
            raise BadCloneUrl("A repository of another host cannot name one of this machine.")
    except BadCloneUrl as error:
        raise SubmoduleRefused(f"The submodule {name[:200]!r} cannot be cloned from {url[:200]!r}: {error}") from error
    return resolved


def _sections(listing: bytes) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    for item in listing.split(b"\0")[:-1]:
        key, _, value = item.decode("utf-8", "surrogateescape").partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if section == "submodule" and name:
            sections.setdefault(name, {})[variable] = value
    return sections
