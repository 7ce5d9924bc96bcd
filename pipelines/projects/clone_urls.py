"""Which clone URLs git is given: asked when a project is stored, and once more before git sees one."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from pipelines.errors import UserError

_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# What a code host's shell could take for more than a path has no place in one.
_SSH_PATH = re.compile(r"(?!-)[\w.~/+@%,:=-]{1,1000}")
_SCP = re.compile(r"(?P<user>[^@:/\[\]]+)@(?P<host>\[[^\]/]*\]|[^:/\[\]@]+):(?P<path>(?!//).*)")
_PORTS = {"https": 443, "http": 80, "ssh": 22}


class BadCloneUrl(UserError):
    """The project's clone URL cannot be used; an administrator has to correct it."""


class Transport(StrEnum):
    """How git talks to a repository."""

    HTTPS = "https"
    HTTP = "http"
    SSH = "ssh"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class CloneUrl:
    """A clone URL in its parts; `host` without brackets and in small letters, empty for a local path."""

    transport: Transport
    path: str
    host: str = ""
    port: int = 0
    user: str = ""

    @property
    def place(self) -> tuple[Transport, str, int, str]:
        """Whom credentials are shown to: two URLs of the same place may share them."""
        return self.transport, self.host, self.port, self.user


def check_clone_url(url: str, *, allow_local: bool, allow_http: bool = False) -> None:
    """Raises BadCloneUrl unless `parse_clone_url` takes it."""
    parse_clone_url(url, allow_local=allow_local, allow_http=allow_http)


def parse_clone_url(url: str, *, allow_local: bool, allow_http: bool = False) -> CloneUrl:
    """`https://host/path`, `ssh://git@host/path`, `git@host:path`, or an absolute path where `allow_local`.

    Raises BadCloneUrl for anything else. Credentials do not belong into a URL, which is shown and logged.
    """
    if not url or len(url) > 2000 or re.search(r"[\x00-\x20\x7f\\]|%0[0ad]", url, re.IGNORECASE):
        raise BadCloneUrl("The clone URL is empty, too long, or holds spaces or control characters.")
    if url.startswith("/"):
        return _local(url, allow_local)
    if "://" not in url and (scp := _SCP.fullmatch(url)):
        return _ssh(url, scp["user"], scp["host"], None, scp["path"])
    parts, port = _split(url)
    if parts.scheme == "ssh" and url.startswith("ssh://"):
        user, _, host = _without_port(parts.netloc).rpartition("@")
        return _ssh(url, user, host, port, parts.path if not parts.query + parts.fragment else "")
    return _web(url, parts, port, allow_http)


def same_place(one: str, other: str) -> bool:
    """Whether two clone URLs lead to the same host in the same way, so that one's credentials fit the other."""
    found = [parse_clone_url(url, allow_local=True, allow_http=True) for url in (one, other)]
    return found[0].place == found[1].place and found[0].transport != Transport.LOCAL


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError as error:
        raise BadCloneUrl(f"The clone URL is not a URL: {error}.") from error


def _web(url: str, parts: SplitResult, port: int | None, allow_http: bool) -> CloneUrl:
    if "@" in parts.netloc:
        raise BadCloneUrl("The clone URL holds a user or password; enter a token in the project's form instead.")
    if parts.scheme not in ("https", "http") or not url.startswith(f"{parts.scheme}://"):
        raise BadCloneUrl(
            f"{url[:200]!r} cannot be cloned; use https://host/owner/name.git, git@host:owner/name.git"
            " or an absolute path."
        )
    if parts.scheme == "http" and not allow_http:
        raise BadCloneUrl("Plain http would show the code and the token to the network; use https.")
    host = _without_port(parts.netloc)
    if not _HOST.fullmatch(host) or parts.path in ("", "/") or parts.fragment:
        raise BadCloneUrl(f"{url[:200]!r} names no repository; use https://host/owner/name.git.")
    return CloneUrl(Transport(parts.scheme), parts.path, _plain(host), port or _PORTS[parts.scheme])


def _ssh(url: str, user: str, host: str, port: int | None, path: str) -> CloneUrl:
    if ":" in user:
        raise BadCloneUrl("The clone URL holds a password; over ssh the project's deploy key is used instead.")
    if not _USER.fullmatch(user) or not _HOST.fullmatch(host):
        raise BadCloneUrl(f"{url[:200]!r} names no user and host; over ssh use git@host:owner/name.git.")
    if not _SSH_PATH.fullmatch(path) or not path.strip("/~") or ".." in PurePosixPath(path).parts:
        raise BadCloneUrl(f"{url[:200]!r} names no repository; over ssh use git@host:owner/name.git.")
    return CloneUrl(Transport.SSH, path, _plain(host), port or _PORTS["ssh"], user)


def _local(path: str, allowed: bool) -> CloneUrl:
    if not allowed:
        raise BadCloneUrl("Local repositories are not allowed on this server; use an https or ssh URL.")
    if ".." in PurePosixPath(path).parts or path.startswith("//"):
        raise BadCloneUrl("The path of a local repository must be absolute and without `..`.")
    return CloneUrl(Transport.LOCAL, path)


def _without_port(netloc: str) -> str:
    return re.sub(r":\d*$", "", netloc)


def _plain(host: str) -> str:
    return host.strip("[]").lower()
