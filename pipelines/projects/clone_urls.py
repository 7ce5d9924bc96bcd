"""Which clone URLs git is given: asked when a project is stored, and once more before git sees one."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pipelines.errors import UserError

_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]")


class BadCloneUrl(UserError):
    """The project's clone URL cannot be used; an administrator has to correct it."""


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
