"""Which projects a clone on somebody's machine belongs to."""

import re
from urllib.parse import unquote, urlsplit

from django.db.models import QuerySet

from pipelines.projects.models import Project

_SCP = re.compile(r"(?:[^@:/\s]+@)?(?P<host>\[[^\]/]+\]|[^:/\s@]+):(?P<path>(?!//|:).+)")


def cloned_from(projects: QuerySet[Project], remote: str) -> QuerySet[Project]:
    """Those whose clone URL leads to the same repository as a git remote, by whatever way and name of a user."""
    wanted = repository(remote)
    urls = projects.values_list("pk", "clone_url")
    return projects.filter(pk__in=[key for key, url in urls if wanted is not None and repository(url) == wanted])


def repository(url: str) -> tuple[str, str] | None:
    """Host (empty for a path on this machine) and path of a remote's repository; None for what names none."""
    url = url.strip()
    if "://" not in url and not url.startswith("/") and (scp := _SCP.fullmatch(url)):
        return _plain(scp["host"]), _path(scp["path"])
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    path = _path(unquote(parts.path))
    if not path or parts.scheme not in ("", "file", "http", "https", "ssh", "git", "git+ssh"):
        return None
    return ("" if parts.scheme in ("", "file") else _plain(host)), path


def _plain(host: str) -> str:
    return host.strip("[]").lower()


def _path(path: str) -> str:
    return path.strip("/").removesuffix(".git").strip("/")
