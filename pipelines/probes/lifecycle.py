"""Ask, claim, answer."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction

from pipelines.errors import LostRace, PipelineError, UserError
from pipelines.probes.models import Kind, Probe
from pipelines.states import leases
from pipelines.states.status import Status
from pipelines.states.transitions import begin
from pipelines.states.transitions import transition as move

LEASE_SECONDS = 10
_ALIKE = 50  # questions without an answer among which the same is looked for


def ask(kind: Kind, subject_id: int, asked_by: str, question: Mapping[str, str] | None = None) -> Probe:
    """The question, or the same one where it still has no answer: a second click asks nothing."""
    asked = dict(question or {})
    with transaction.atomic():
        alike = Probe.objects.filter(kind=kind, subject_id=subject_id, finished_at=None).order_by("-pk")
        open_one = next((one for one in alike[:_ALIKE] if one.question == asked), None)
        if open_one is not None:
            return open_one
        probe = Probe.objects.create(kind=kind, subject_id=subject_id, asked_by=asked_by, question=asked)
        begin(probe, actor=asked_by)
    return probe


def claim(probe_id: int, owner: str) -> Probe:
    """Take a queued probe; raises LostRace if it is taken. A probe has no side effects: a lost one is asked again."""
    with transaction.atomic():
        probe = Probe.objects.get(pk=probe_id)
        if probe.status != Status.QUEUED:
            raise LostRace(f"probe {probe_id} is {probe.status}")
        move(probe, Status.RUNNING, owner=owner, lease_until=leases.until(LEASE_SECONDS))
    return probe


def renew(probe: Probe) -> datetime | None:
    """Prolong the lease while the answer is sought; raises LostLease when the probe has been ended meanwhile."""
    leases.renew(Probe.objects.filter(pk=probe.pk), probe.fence, LEASE_SECONDS)
    return None


def let_go(probe: Probe) -> None:
    """Seek no longer: whoever asked is told soon."""
    leases.let_go(Probe.objects.filter(pk=probe.pk), probe.fence)


def answer(probe: Probe, value: Any) -> None:
    with transaction.atomic():
        move(probe, Status.SUCCEEDED, answer=value)


def refuse(probe: Probe, error: PipelineError) -> None:
    with transaction.atomic():
        move(probe, Status.FAILED if isinstance(error, UserError) else Status.ERRORED, reason=str(error))


def abandon_expired() -> int:
    """End the probes that nobody answers any more: the page says so and offers to ask again."""
    ended = 0
    for probe in Probe.objects.filter(leases.expired(), status=Status.RUNNING):
        with suppress(LostRace), transaction.atomic():  # it may be answered in this moment after all
            move(probe, Status.ERRORED, reason="no answer: its worker died or was stopped; ask again")
            ended += 1
    return ended
