"""The worker processes of all machines, as they say themselves."""

from django.db import models
from django.db.models.functions import Now


class Kind(models.TextChoices):
    """What kind of work a runner takes."""

    CONTROL = "control", "plans, releases, questions of pages"
    STAGE = "stage", "stages"
    DEPLOY = "deploy", "deploys"


class Drained(models.Model):
    """Shall be given nothing new; what it performs it performs to its end."""

    drain_requested_at = models.DateTimeField(null=True)
    drain_requested_by = models.CharField(max_length=150, blank=True)

    class Meta:
        abstract = True

    @property
    def is_draining(self) -> bool:
        return self.drain_requested_at is not None


class Runner(Drained):
    """One worker process; it performs one job at a time. Times are the database's."""

    name = models.CharField(max_length=200, unique=True, help_text="How it signs what it owns: host:pid")
    host = models.CharField(max_length=150)
    pid = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    labels = models.JSONField(default=list, help_text="What the stages may ask for that it is given")
    version = models.CharField(max_length=40, blank=True, help_text="Of the code that it runs")
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    leaves = models.BooleanField(default=False, help_text="Ends when it has drained")

    class Meta:
        indexes = [models.Index(fields=["host"])]

    def __str__(self) -> str:
        return f"{self.kind} runner {self.name}"


class Machine(Drained):
    """A host with runners of which all drain, also those that start later: it exists only while that is so."""

    host = models.CharField(max_length=150, unique=True)

    def __str__(self) -> str:
        return self.host
