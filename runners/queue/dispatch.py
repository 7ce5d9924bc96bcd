"""The one readable table of what happens next."""

from collections.abc import Callable
from typing import Any

from pipelines.deploys.models import Deploy
from pipelines.states.models import Stateful, Transition
from pipelines.states.signals import transitioned
from pipelines.states.status import FINAL, Status
from runners.queue import jobs
from runners.queue.bell import bell
from runners.queue.queues import Line

Job = Callable[[int], None]

# When a subject comes to this status → this kind of worker performs this job with the subject's id.
NEXT: dict[tuple[str, str], tuple[Line, Job]] = {
    ("run", Status.QUEUED): (Line.PLAN, jobs.plan_run),
    ("run", Status.SUCCEEDED): (Line.CONTROL, jobs.release_run),
    ("stage", Status.QUEUED): (Line.STAGE, jobs.run_stage),
    ("deploy", Status.QUEUED): (Line.DEPLOY, jobs.run_deploy),
    ("probe", Status.QUEUED): (Line.CONTROL, jobs.answer_probe),
}


def listen() -> None:
    """Ring after every committed transition that something follows from."""
    transitioned.connect(_on_transition, dispatch_uid="runners.queue.dispatch")


def _on_transition(transition: Transition, subject: Stateful, **_: Any) -> None:
    following = NEXT.get((transition.subject_kind, transition.to_status))
    is_ours = transition.subject_kind == "stage" and jobs.goes_on_with(transition.subject_id)
    if following is not None and not is_ours:
        bell.ring(*following, transition.subject_id)
    if isinstance(subject, Deploy) and _leaves_its_environment(subject):
        _ring_next_deploy(subject)


def _leaves_its_environment(deploy: Deploy) -> bool:
    """It has ended, or waits and has touched nothing: one that waits in its middle keeps the others out."""
    return deploy.status in FINAL or (deploy.status == Status.BLOCKED and deploy.started_at is None)


def _ring_next_deploy(left: Deploy) -> None:
    """The environment is free: whoever stands at the head of its queue may begin."""
    waiting = Deploy.objects.filter(environment=left.environment_id, status=Status.QUEUED, finished_at=None)
    first = waiting.order_by("-priority", "pk").values_list("pk", flat=True).first()
    if first is not None:
        bell.ring(Line.DEPLOY, jobs.run_deploy, first)
