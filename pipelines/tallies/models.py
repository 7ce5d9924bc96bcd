"""Totals that only grow."""

from bisect import bisect_left

from django.db import models

# Seconds; the last, endless one is not written down. They stand in rows by their place: new ones take new rows.
BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0)


class Counted(models.TextChoices):
    """What is counted."""

    RUN = "run", "runs that ended"
    WAIT = "wait", "runs that began"
    STAGE = "stage", "stages that ended"
    DEPLOY = "deploy", "deploys that ended"
    GIVEN_UP = "given_up", "messages that were given up"


class Tally(models.Model):
    """So many ended so. Rows with the same words add up: each end inserts one, and now and then they are put together.

    It refers to nothing: what was counted may be removed. `words` are an environment's name or a channel's.
    """

    counted = models.CharField(max_length=10, choices=Counted.choices)
    project_id = models.BigIntegerField(null=True)
    status = models.CharField(max_length=9, blank=True)
    kind = models.CharField(max_length=20, blank=True, help_text="Of a deploy")
    words = models.CharField(max_length=255, blank=True)
    bucket = models.SmallIntegerField(null=True, help_text="The place in BUCKETS of how long it took; empty: untold")
    count = models.BigIntegerField(default=1)
    seconds = models.FloatField(default=0, help_text="How long they took together")
    is_sum = models.BooleanField(default=False, help_text="Whether it was put together of others")

    class Meta:
        verbose_name_plural = "tallies"
        indexes = [models.Index(fields=["id"], name="tally_single", condition=models.Q(is_sum=False))]

    def __str__(self) -> str:
        return f"{self.count} × {self.counted} {self.status}".rstrip()


def bucket_of(seconds: float) -> int:
    """The place of the first bound that is no less; one more than there are for what took longer than all."""
    return bisect_left(BUCKETS, seconds)
