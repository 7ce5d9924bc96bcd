"""Tokens: what programs show to be let in."""

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from pipelines.projects.models import Project, Role


class Scope(models.TextChoices):
    """What a token may be used for; each lets its bearer see what its person or role sees."""

    READ = "read", "see projects, runs, deploys and logs"
    RUN = "run", "start, cancel and approve runs"
    DEPLOY = "deploy", "deploy, roll back, lock and approve deploys"
    ADMINISTER = "administer", "change pipelines, schedules and settings"


class Token(models.Model):
    """A personal token may what its person may; a machine's token has a role in one project and no person.

    Only its digest is kept. `project` with a person bounds a personal token to that project.
    """

    person = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    role = models.CharField(max_length=10, choices=Role.choices, blank=True)
    name = models.CharField(max_length=60, help_text="What it is for: release script, ada's laptop")
    prefix = models.CharField(max_length=12, help_text="Its first signs, to tell one from another")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(person__isnull=False, role="")
                | (models.Q(person=None, project__isnull=False) & ~models.Q(role="")),
                name="token_of_person_or_machine",
            ),
        ]

    def __str__(self) -> str:
        return f"token {self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_good(self) -> bool:
        """Whether it opens something now, as far as it lies in itself."""
        return self.revoked_at is None and not self.is_expired
