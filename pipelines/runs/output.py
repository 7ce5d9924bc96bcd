"""What an attempt prints and keeps, as its runner hands it in."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from pipelines.logs import store as logs
from pipelines.logs.marks import StepMark
from pipelines.runs.lifecycle import LEASE_SECONDS
from pipelines.runs.models import Artifact, Attempt, Step
from pipelines.states import leases


def append(attempt: Attempt, data: bytes, raw_until: int, marks: Sequence[StepMark] = ()) -> None:
    """Store masked `data` that accounts for raw bytes up to `raw_until`, together with the marks found in it.

    Raises LostLease, and stores nothing, when another runner has taken the attempt over.
    """
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        logs.append(attempt.log, data, raw_until)
        for mark in marks:
            _note(attempt, mark)


def keep(attempt: Attempt, artifacts: Sequence[Artifact]) -> None:
    """Store what the attempt produced; the same again after a takeover is harmless. Raises LostLease as `append`."""
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        for artifact in artifacts:
            artifact.attempt = attempt
        Artifact.objects.bulk_create(
            artifacts,
            update_conflicts=True,
            unique_fields=["attempt", "path"],
            update_fields=["digest", "size", "storage_name", "expires_at"],
        )


def _note(attempt: Attempt, mark: StepMark) -> None:
    """A mark that comes twice is a forged one; the first counts."""
    now = timezone.now()
    if mark.begins:
        Step.objects.get_or_create(
            attempt=attempt,
            position=mark.position,
            defaults={"begins_at_byte": mark.offset, "started_at": now},
        )
    else:
        open_step = Step.objects.filter(attempt=attempt, position=mark.position, finished_at=None)
        open_step.update(ends_at_byte=mark.offset, exit_code=mark.exit_code, finished_at=now)
