"""What we build, for whom, with which secrets."""

import secrets

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from pipelines.projects.clone_urls import BadCloneUrl, check_clone_url
from pipelines.projects.secrets import MIN_LENGTH, EncryptedTextField

VARIABLE = RegexValidator(r"\A[A-Za-z_][A-Za-z0-9_]*\Z", "A letter or _, then letters, digits and _.")


def new_webhook_secret() -> str:
    return secrets.token_urlsafe(32)


class Project(models.Model):
    """A repository we build."""

    name = models.SlugField(max_length=60, unique=True)
    clone_url = models.CharField(
        max_length=500, help_text="https://…, or the absolute path of a repository on this machine"
    )
    default_branch = models.CharField(max_length=200, default="main")
    spec_path = models.CharField(max_length=200, default=".slipway.yml")
    webhook_secret = EncryptedTextField(default=new_webhook_secret)
    code_host_name = models.CharField(
        max_length=200, blank=True, help_text="owner/name at the code host: where commit statuses go"
    )
    code_host_token = EncryptedTextField(
        blank=True, default="", help_text="Used to clone over https and to write commit statuses"
    )
    chat_channel = models.CharField(
        max_length=80, blank=True, help_text="Slack channel that hears of broken runs and deploys: #shop; empty: none"
    )
    next_run_number = models.PositiveIntegerField(default=1, editable=False)
    next_release_number = models.PositiveIntegerField(default=1, editable=False)
    next_deploy_number = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            check_clone_url(self.clone_url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
        except BadCloneUrl as error:
            raise ValidationError({"clone_url": str(error)}) from error

    @property
    def default_ref(self) -> str:
        return f"refs/heads/{self.default_branch}"


class Role(models.TextChoices):
    """What a team may do in a project; each includes the ones before it."""

    VIEWER = "viewer", "sees everything but secrets"
    DEVELOPER = "developer", "cancels runs"
    MAINTAINER = "maintainer", "deploys, rolls back and cancels deploys"
    OWNER = "owner", "changes the project, its environments and secrets"


class Member(models.Model):
    """A team (a Django group) in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.DEVELOPER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "team"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.team} in {self.project}: {self.role}"


class Secret(models.Model):
    """A value given to stages that name it, masked in their logs, and never to a fork's pull request."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=100, validators=[VARIABLE])
    value = EncryptedTextField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="secret_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.project}"

    def clean(self) -> None:
        refuse_short(self.value)


def refuse_short(value: str) -> None:
    """Raises ValidationError for a value that is too short to be masked."""
    if len(value.encode()) < MIN_LENGTH:
        least = f"At least {MIN_LENGTH} bytes: a shorter value cannot be masked in logs without hiding other text."
        raise ValidationError({"value": least})
