"""The one door to GitHub's API: one request, and what an answer that is no success means."""

import re
from collections.abc import Mapping
from typing import Any

import httpx2
from django.conf import settings

from pipelines.projects.models import Project
from server.notifications.errors import Refused, Unreachable

TIMEOUT_SECONDS = 10
_MAX_DESCRIPTION = 140  # characters; GitHub refuses more
_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


def post(project: Project, path: str, values: Mapping[str, Any], needs: str) -> Any:
    """Write something below the project's repository; returns the answer's JSON. Raises Refused or Unreachable.

    `needs` names the right that the project's token has to have.
    """
    return _ask(project, "POST", path, needs, json=dict(values))


def get(project: Project, path: str, query: Mapping[str, str], needs: str) -> Any:
    """Read something below the project's repository. Raises Refused or Unreachable."""
    return _ask(project, "GET", path, needs, params=dict(query))


def cut(text: str) -> str:
    """On one line, and no longer than GitHub takes."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_DESCRIPTION else line[: _MAX_DESCRIPTION - 1] + "…"


def _ask(project: Project, method: str, path: str, needs: str, **content: Any) -> Any:
    if not _NAME.fullmatch(project.code_host_name):
        raise Refused(f"{project.code_host_name!r} is not owner/name: correct it in the project's settings")
    if not project.code_host_token:
        raise Refused(f"the project has no token for its code host: add one that may write {needs}")
    url = f"{settings.SLIPWAY_GITHUB_API}/repos/{project.code_host_name}/{path}"
    headers = {
        "Authorization": f"Bearer {project.code_host_token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        answer = httpx2.request(method, url, headers=headers, timeout=TIMEOUT_SECONDS, **content)
        _check(answer, project, needs)
        return answer.json()
    except httpx2.HTTPError as error:
        raise Unreachable(f"{settings.SLIPWAY_GITHUB_API} did not answer: {error}") from error
    except ValueError as error:
        raise Unreachable(f"{settings.SLIPWAY_GITHUB_API} answered with something else than JSON") from error


def _check(answer: httpx2.Response, project: Project, needs: str) -> None:
    """Redirects are not followed: they would carry the token to where the project's settings do not point."""
    if answer.is_success:
        return
    said = f"the code host answered {answer.status_code} for {project.code_host_name}: {cut(answer.text)}"
    if _is_passing(answer):
        raise Unreachable(said)
    raise Refused(f"{said}; check the project's code host name, and that its token may write {needs}")


def _is_passing(answer: httpx2.Response) -> bool:
    """Whether the same request may be taken later: the host is in trouble, or we were too fast for it."""
    limited = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    return answer.status_code >= 500 or answer.status_code in (408, 429) or (answer.status_code == 403 and limited)
