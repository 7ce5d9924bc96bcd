"""Commit statuses out: what became of a run, told to the code host."""

from dataclasses import asdict, dataclass

from pipelines.outbox import queue
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from pipelines.states.models import Transition
from pipelines.states.status import Status
from server.notifications.errors import Refused
from server.notifications.links import run_url
from server.scm import api

CONTEXT = "slipway"

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


def send(message: Message) -> None:
    """Tell the transition that `message` is about. Raises Refused or Unreachable.

    What a newer message has already told better is not told any more: a late "pending" must not hide a verdict.
    """
    if queue.later_sent(message).exists():
        return
    told = message.transition
    run = Run.objects.select_related("project").filter(pk=told.subject_id).first() if told else None
    if told is None or run is None:
        raise Refused("the run is no longer there")
    post(run.project, run.sha, describe(run, told))


def describe(run: Run, transition: Transition) -> CommitStatus:
    """Pure: the words for a transition of `run`."""
    state = _STATES.get(Status(transition.to_status), "pending")
    text = f"Run {run.number} {transition.to_status}{': ' if transition.reason else ''}{transition.reason}"
    return CommitStatus(state, api.cut(text), run_url(run.project.name, run.number))


def post(project: Project, sha: str, status: CommitStatus) -> None:
    """Write one commit status. Raises Refused or Unreachable."""
    api.post(project, f"statuses/{sha}", asdict(status), "commit statuses")
