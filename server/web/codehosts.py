"""Where people see a project's commits: addresses at its code host."""

import re

from django.conf import settings

from pipelines.deploys.reads.commits import Commits
from pipelines.projects.clone_urls import BadCloneUrl, Transport, parse_clone_url
from pipelines.projects.models import Project
from server import providers

_NAME = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
_SHA = re.compile(r"[0-9a-f]{7,64}")


def home(project: Project) -> str:
    """The repository's page; empty when it is not known to have one."""
    if _NAME.fullmatch(project.code_host_name):
        return f"{providers.web(settings.SLIPWAY_GITHUB_API)}/{project.code_host_name}"
    try:
        url = parse_clone_url(project.clone_url, allow_local=True)
    except BadCloneUrl:
        return ""
    path = url.path.strip("/").removesuffix(".git")
    if url.transport not in (Transport.HTTPS, Transport.SSH) or not _NAME.fullmatch(path):
        return ""
    return f"https://{url.host}/{path}"


def commit(project: Project, sha: str) -> str:
    """The page of one commit; empty when there is none."""
    page = home(project)
    return f"{page}/commit/{sha}" if page and _SHA.fullmatch(sha) else ""


def comparison(project: Project, commits: Commits | None) -> str:
    """The page that shows what lies between two releases; empty when there is none."""
    page = home(project)
    if commits is None or commits.older is None or not page:
        return ""
    return f"{page}/compare/{commits.older.sha}...{commits.newer.sha}"
