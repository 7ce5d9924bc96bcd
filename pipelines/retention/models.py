"""Rules of retention, and whose turn it is to carry them out."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce, Now

from pipelines.projects.models import Project

EVENTS_DAYS_MIN = 7  # a delivery that is forgotten can come again: code hosts deliver again for days
FOR_EVER = 0


class Retention(models.Model):
    """How long one project's record is kept; the row without a project holds for all, where they say nothing else.

    Empty: as the server's rule, and there for ever. 0: for ever, whatever the server's rule says.
    """

    project = models.OneToOneField(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="retention")
    runs_days = models.PositiveIntegerField(null=True, blank=True, help_text="Days after its end that a run is kept")
    runs_newest = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="So many of each branch are kept, however old",
        validators=[MinValueValidator(1)],
    )
    logs_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Days after its end that the output of a stage is kept"
    )
    artifacts_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Days after its end that a run's artifacts are kept; what is released stays"
    )
    events_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Days that what was delivered is kept, with its payload"
    )
    changed_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(Coalesce("project", 0), name="retention_once")]

    def __str__(self) -> str:
        return f"retention of {self.project or 'all projects'}"


class Sweep(models.Model):
    """One row: when what is to go is next looked for. While one does it, `due_at` is the end of the lease."""

    due_at = models.DateTimeField(db_default=Now(), help_text="On the database's clock")
    fence = models.PositiveIntegerField(default=0, help_text="Rises whenever somebody begins one")
    ended_at = models.DateTimeField(null=True)
    removed = models.JSONField(default=dict, help_text="What the last one that found something removed")

    def __str__(self) -> str:
        return f"sweep {self.fence}"
