"""What may be handed to git from outside: clone URLs, refs and commit ids, checked before git sees them."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pipelines.errors import UserError

_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_REF = re.compile(r"refs/(heads|tags|pull|merge-requests)/[^\x00-\x20\x7f~^:?*\[\\]{1,500}")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


class BadCloneUrl(UserError):
    """The project's clone URL cannot be used; an administrator has to correct it."""


class BadRef(UserError):
    """A ref, commit id or label from outside is not of the form that git takes."""


def check_clone_url(url: str, *, allow_local: bool, allow_http: bool = False) -> None:
    """Raises BadCloneUrl unless it is `https://host/path`, or an absolute path where `allow_local`.

    Credentials do not belong into a URL, which is shown and logged.
    """
    if not url or len(url) > 2000 or re.search(r"[\x00-\x20\x7f\\]|%0[0ad]", url, re.IGNORECASE):
        raise BadCloneUrl("The clone URL is empty, too long, or holds spaces or control characters.")
    if url.startswith("/"):
        _check_local(url, allow_local)
        return
    try:
        parts = urlsplit(url)
        host, has_user, _ = parts.netloc.rpartition("@")[2], "@" in parts.netloc, parts.port
    except ValueError as error:
        raise BadCloneUrl(f"The clone URL is not a URL: {error}.") from error
    if has_user:
        raise BadCloneUrl("The clone URL holds a user or password; enter a token in the project's form instead.")
    if parts.scheme not in ("https", "http") or not url.startswith(f"{parts.scheme}://"):
        raise BadCloneUrl(f"{url[:200]!r} cannot be cloned; use https://host/owner/name.git or an absolute path.")
    if parts.scheme == "http" and not allow_http:
        raise BadCloneUrl("Plain http would show the code and the token to the network; use https.")
    if not _HOST.fullmatch(re.sub(r":\d*$", "", host)) or parts.path in ("", "/") or parts.fragment:
        raise BadCloneUrl(f"{url[:200]!r} names no repository; use https://host/owner/name.git.")


def _check_local(path: str, allowed: bool) -> None:
    if not allowed:
        raise BadCloneUrl("Local repositories are not allowed on this server; use an https URL.")
    if ".." in PurePosixPath(path).parts or path.startswith("//"):
        raise BadCloneUrl("The path of a local repository must be absolute and without `..`.")


def check_ref(ref: str) -> None:
    """Raises BadRef unless it is a full ref that git accepts: a branch, a tag or a pull request."""
    parts = ref.split("/")
    broken = ".." in ref or "@{" in ref or ref.endswith(".") or not _REF.fullmatch(ref)
    if broken or any(not part or part.startswith((".", "-")) or part.endswith(".lock") for part in parts):
        raise BadRef(f"{ref[:100]!r} is no full ref such as refs/heads/main or refs/tags/v1.2.3.")


def check_sha(sha: str) -> None:
    """Raises BadRef unless it is a full commit id in small letters; short ones can mean two commits."""
    if not _SHA.fullmatch(sha):
        raise BadRef(f"{sha[:100]!r} is no full commit id of 40 or 64 hexadecimal digits.")


def check_label(label: str) -> None:
    """Raises BadRef unless it can be the last part of a pin `refs/slipway/<label>`."""
    if not _LABEL.fullmatch(label):
        raise BadRef(f"{label[:100]!r} cannot name a pin; use letters, digits, - and _.")


def redact(text: str, token: str | None) -> str:
    """What git said, without credentials and short enough to show."""
    clean = _CREDENTIALS.sub("", text.replace(token, "***") if token else text)
    lines = [line.strip() for line in clean.splitlines() if line.strip()]
    return " / ".join("".join(char if char.isprintable() else "?" for char in line) for line in lines)[:600]
