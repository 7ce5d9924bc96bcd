"""What every record with a status has, and the ledger of how statuses changed."""

from typing import ClassVar

from django.db import models

from pipelines.states.machine import Machine
from pipelines.states.status import FINAL, Status


class Stateful(models.Model):
    """Has a status that only `transitions` writes."""

    machine: ClassVar[Machine]

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED, editable=False)
    reason = models.TextField(blank=True, editable=False, help_text="Why it has this status, in words")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def took_seconds(self) -> float | None:
        """Seconds between start and end; None before the end or if it never started."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Leased(models.Model):
    """Owned by one runner until `lease_until`; the fence proves the ownership on every write.

    A takeover raises the fence, so that whatever the former owner still writes is refused. One that nobody owns has
    no owner's name.
    """

    owner = models.CharField(max_length=120, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False, db_index=True)
    fence = models.PositiveIntegerField(default=0, editable=False)
    deaths = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="How many owners died over it; one that let go has not"
    )

    class Meta:
        abstract = True


class Transition(models.Model):
    """One recorded change of one status: the ledger that every page, metric and message is drawn from."""

    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    from_status = models.CharField(max_length=9, choices=Status.choices, blank=True)
    to_status = models.CharField(max_length=9, choices=Status.choices)
    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=150, blank=True, help_text="Who; empty for Slipway itself")
    reason = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject_kind", "subject_id"])]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id}: {self.from_status or 'new'} → {self.to_status}"
