"""Commit statuses out: what became of a run, told to the code host."""

import re
from dataclasses import dataclass

import httpx2
from django.conf import settings

from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from pipelines.states.models import Transition
from pipelines.states.status import Status
from server.notifications.errors import Refused, Unreachable
from server.notifications.links import run_url

CONTEXT = "slipway"
TIMEOUT_SECONDS = 10
_MAX_DESCRIPTION = 140  # characters; GitHub refuses more
_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")

_STATES = {
    Status.SUCCEEDED: "success",
    Status.FAILED: "failure",
    Status.ERRORED: "error",
    Status.CANCELLED: "error",
}


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What GitHub is told."""

    state: str
    description: str
    target_url: str
    context: str = CONTEXT

    def to_json(self) -> dict[str, str]:
        return {
            "state": self.state,
            "description": self.description,
            "target_url": self.target_url,
            "context": self.context,
        }


def send(message: Message) -> None:
    """Tell the transition that `message` is about. Raises Refused or Unreachable.

    What a newer message has already told better is not told any more: a late "pending" must not hide a verdict.
    """
    if _is_superseded(message):
        return
    run = Run.objects.select_related("project").filter(pk=message.transition.subject_id).first()
    if run is None:
        raise Refused("the run is no longer there")
    post(run.project, run.sha, describe(run, message.transition))


def describe(run: Run, transition: Transition) -> CommitStatus:
    """Pure: the words for a transition of `run`."""
    state = _STATES.get(Status(transition.to_status), "pending")
    reason = " ".join(transition.reason.split())
    text = f"Run {run.number} {transition.to_status}{': ' if reason else ''}{reason}"
    return CommitStatus(state, _cut(text), run_url(run.project.name, run.number))


def post(project: Project, sha: str, status: CommitStatus) -> None:
    """Write one commit status. Raises Refused or Unreachable."""
    if not _NAME.fullmatch(project.code_host_name):
        raise Refused(f"{project.code_host_name!r} is not owner/name: correct it in the project's settings")
    if not project.code_host_token:
        raise Refused("the project has no token for its code host: add one that may write commit statuses")
    url = f"{settings.SLIPWAY_GITHUB_API}/repos/{project.code_host_name}/statuses/{sha}"
    headers = {
        "Authorization": f"Bearer {project.code_host_token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        answer = httpx2.post(url, json=status.to_json(), headers=headers, timeout=TIMEOUT_SECONDS)
    except httpx2.HTTPError as error:
        raise Unreachable(f"{settings.SLIPWAY_GITHUB_API} did not answer: {error}") from error
    _check(answer, project)


def _check(answer: httpx2.Response, project: Project) -> None:
    """Redirects are not followed: they would carry the token to where the project's settings do not point."""
    if answer.is_success:
        return
    said = f"the code host answered {answer.status_code} for {project.code_host_name}: {_cut(answer.text)}"
    if _is_passing(answer):
        raise Unreachable(said)
    raise Refused(f"{said}; check the project's code host name and token")


def _is_passing(answer: httpx2.Response) -> bool:
    """Whether the same request may be taken later: the host is in trouble, or we were too fast for it."""
    limited = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    return answer.status_code >= 500 or answer.status_code in (408, 429) or (answer.status_code == 403 and limited)


def _is_superseded(message: Message) -> bool:
    told = message.transition
    later = Message.objects.filter(
        channel=Channel.COMMIT_STATUS,
        transition__subject_kind=told.subject_kind,
        transition__subject_id=told.subject_id,
        transition_id__gt=told.pk,
    )
    return later.exclude(sent_at=None).exists()


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DESCRIPTION else text[: _MAX_DESCRIPTION - 1] + "…"
