"""Keys of badges and calendars."""

import hashlib
import secrets

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Coalesce

from pipelines.projects.models import Project
from pipelines.projects.secrets import EncryptedTextField


def new_key() -> str:
    return secrets.token_urlsafe(24)


class Badge(models.Model):
    """Who sees a project's badges besides its people: everybody, or who has the key; the key shows badges alone."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="badge")
    is_public = models.BooleanField(default=False, help_text="Everybody who knows the address sees the badges")
    key = EncryptedTextField(default=new_key)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"badges of {self.project}"


class Calendar(models.Model):
    """A person's calendar of schedules and freezes: of one project, or of all that they see. It shows no more than its
    person may see, and ends with them."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="calendars")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="calendars")
    key = EncryptedTextField(default=new_key)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the key")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "person", Coalesce("project", 0), name="calendar_once", condition=models.Q(revoked_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"calendar of {self.person} for {self.project or 'all projects'}"


def digest_of(key: str) -> str:
    """Of 192 random bits: nothing can be guessed, so nothing need be slow."""
    return hashlib.sha256(key.encode()).hexdigest()
