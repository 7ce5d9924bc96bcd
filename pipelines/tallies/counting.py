"""Counts what ends, in the transaction in which it ends: one row inserted, so that nobody waits for anybody."""

from typing import Any

from pipelines.deploys.models import Deploy
from pipelines.outbox.models import Message
from pipelines.outbox.signals import given_up
from pipelines.runs.models import Run, Stage
from pipelines.states.models import Transition
from pipelines.states.signals import recorded
from pipelines.states.status import FINAL, Status
from pipelines.tallies.models import Counted, Tally, bucket_of


def listen() -> None:
    recorded.connect(_of_run, sender=Run, dispatch_uid="pipelines.tallies.runs")
    recorded.connect(_of_stage, sender=Stage, dispatch_uid="pipelines.tallies.stages")
    recorded.connect(_of_deploy, sender=Deploy, dispatch_uid="pipelines.tallies.deploys")
    given_up.connect(_of_message, dispatch_uid="pipelines.tallies.messages")


def _of_run(subject: Run, transition: Transition, **_: Any) -> None:
    if transition.to_status == Status.RUNNING and subject.started_at is not None:
        _count(Counted.WAIT, (subject.started_at - subject.created_at).total_seconds())
    if transition.to_status in FINAL:
        _count(Counted.RUN, subject.took_seconds, project_id=subject.project_id, status=subject.status)


def _of_stage(subject: Stage, transition: Transition, **_: Any) -> None:
    if transition.to_status in FINAL and subject.taken_from_id is None:  # what is taken over was counted when it ended
        _count(Counted.STAGE, subject.took_seconds, status=subject.status)


def _of_deploy(subject: Deploy, transition: Transition, **_: Any) -> None:
    if transition.to_status in FINAL:
        place = subject.environment
        about = {"project_id": place.project_id, "words": place.name, "kind": subject.kind, "status": subject.status}
        _count(Counted.DEPLOY, subject.took_seconds, **about)


def _of_message(message: Message, **_: Any) -> None:
    _count(Counted.GIVEN_UP, words=message.channel)


def _count(counted: Counted, seconds: float | None = None, **about: Any) -> None:
    """Clocks of several machines differ: nothing took less than no time."""
    took = None if seconds is None else max(seconds, 0.0)
    bucket = None if took is None else bucket_of(took)
    Tally.objects.bulk_create([Tally(counted=counted, bucket=bucket, seconds=took or 0.0, **about)])
