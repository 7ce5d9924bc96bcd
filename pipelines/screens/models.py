"""The browsers that were let show the wall."""

from django.contrib.auth.models import User
from django.db import models

from pipelines.projects.models import Project


class Screen(models.Model):
    """A browser that a person paired by its code. It sees the wall of the projects that were chosen, and nothing else.

    Only digests are kept: of the code until the screen has come for its key, then of the key.
    """

    person = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="screens", help_text="It shows no more than they may administer"
    )
    name = models.CharField(max_length=60, help_text="Where it hangs: kitchen, second floor")
    shows_all = models.BooleanField(default=False, help_text="All that its person administers, also what comes later")
    projects = models.ManyToManyField(Project, blank=True, related_name="screens")
    code_digest = models.CharField(max_length=64, blank=True, editable=False)
    digest = models.CharField(  # noqa: DJ001  None: it has no key yet, and that is never unique
        max_length=64, null=True, unique=True, editable=False
    )
    paired_at = models.DateTimeField(auto_now_add=True)
    came_at = models.DateTimeField(null=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["code_digest"], name="screen_expected", condition=models.Q(came_at=None)),
        ]

    def __str__(self) -> str:
        return f"screen {self.name}"
