"""What is run when nobody pushes."""

from django.db import models

from pipelines.projects.models import Project
from pipelines.runs.models import Event


class Source(models.TextChoices):
    """Where a schedule is written down, and so where it is changed."""

    FILE = "file", "in the pipeline file"
    PAGE = "page", "on this page"


class Schedule(models.Model):
    """A run of a ref's tip at the times of a cron expression on the clocks of a time zone.

    `next_at` is the firing's compare-and-set: whoever moves it on starts the run. It is None when it never fires:
    `problem` says why, if it is not paused.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="schedules")
    source = models.CharField(max_length=4, choices=Source.choices)
    name = models.CharField(max_length=60)
    cron = models.CharField(max_length=120, help_text="Five fields: minute, hour, day, month, day of the week")
    timezone = models.CharField(max_length=60, default="UTC")
    ref = models.CharField(max_length=255, help_text="In full: refs/heads/main")
    parameters = models.JSONField(default=dict, help_text="Name to text")
    made_by = models.CharField(max_length=150, blank=True)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=150, blank=True)
    next_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True, help_text="Why it did not or cannot fire")
    last_at = models.DateTimeField(
        null=True, help_text="The time, of those that the cron names, that it last fired for"
    )
    last_event = models.ForeignKey(Event, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "source", "name"], name="schedule_once")]
        indexes = [models.Index(fields=["next_at"])]

    def __str__(self) -> str:
        return f"{self.project} schedule {self.name}"

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None
