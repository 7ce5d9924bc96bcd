"""What we build, for whom, with which secrets."""

import contextlib
import secrets
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from pipelines.errors import UserError
from pipelines.projects import deploy_keys
from pipelines.projects.clone_urls import Transport, parse_clone_url
from pipelines.projects.code_host_keys import parse_host_keys
from pipelines.projects.secrets import MIN_LENGTH, EncryptedTextField

DEFAULT_CLONE_DEPTH = 50
HOSTS = RegexValidator(r"\A[A-Za-z0-9.:-]+( +[A-Za-z0-9.:-]+)*\Z", "Names of hosts, with spaces between.")
VARIABLE = RegexValidator(r"\A[A-Za-z_][A-Za-z0-9_]*\Z", "A letter or _, then letters, digits and _.")


def new_webhook_secret() -> str:
    return secrets.token_urlsafe(32)


class SpecSource(models.TextChoices):
    """Where a project's pipeline is read."""

    REPOSITORY = "repository", "in the repository, at each commit"
    SERVER = "server", "on this server, edited in its pages"


class Project(models.Model):
    """A repository we build."""

    name = models.SlugField(max_length=60, unique=True)
    clone_url = models.CharField(
        max_length=500, help_text="https://…, git@host:path, or the absolute path of a repository on this machine"
    )
    default_branch = models.CharField(max_length=200, default="main")
    spec_path = models.CharField(max_length=200, default=".slipway.yml")
    spec_source = models.CharField(max_length=10, choices=SpecSource.choices, default=SpecSource.REPOSITORY)
    webhook_secret = EncryptedTextField(default=new_webhook_secret)
    code_host_name = models.CharField(
        max_length=200, blank=True, help_text="owner/name at the code host: where commit statuses go"
    )
    code_host_token = EncryptedTextField(
        blank=True, default="", help_text="Used to clone over https and to write commit statuses"
    )
    deploy_key = EncryptedTextField(
        blank=True, default="", help_text="Private key to clone over ssh; left empty, one is made when it is needed"
    )
    code_host_keys = models.TextField(
        blank=True, default="", help_text="What the code host is known by over ssh: lines as in a known_hosts file"
    )
    clone_depth = models.PositiveIntegerField(
        default=DEFAULT_CLONE_DEPTH, help_text="How many commits of history a stage sees; 0: all of it"
    )
    with_submodules = models.BooleanField(default=False, help_text="Check the repository's submodules out as well")
    with_lfs = models.BooleanField(default=False, help_text="Put the files themselves where Git LFS has pointers")
    lfs_hosts = models.CharField(
        max_length=500,
        blank=True,
        validators=[HOSTS],
        help_text="Further hosts that the code host may keep LFS files on, with spaces between; empty: itself only",
    )
    chat_channel = models.CharField(
        max_length=80, blank=True, help_text="Slack channel that hears of broken runs and deploys: #shop; empty: none"
    )
    may_be_privileged = models.BooleanField(
        default=False, help_text="Trusted with this machine: its stages may ask to be `privileged`, which is root on it"
    )
    next_run_number = models.PositiveIntegerField(default=1, editable=False)
    next_release_number = models.PositiveIntegerField(default=1, editable=False)
    next_deploy_number = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what could not be cloned; make the key that a clone over ssh needs."""
        with _told_of("clone_url"):
            url = parse_clone_url(self.clone_url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
        with _told_of("code_host_keys"):
            parse_host_keys(self.code_host_keys)
        if url.transport == Transport.SSH and not self.deploy_key:
            self.deploy_key = deploy_keys.generate()
        with _told_of("deploy_key"):
            _ = self.deploy_key_line

    @property
    def default_ref(self) -> str:
        return f"refs/heads/{self.default_branch}"

    @property
    def deploy_key_line(self) -> str:
        """The public part of the deploy key, for the code host's page of deploy keys; empty when none was made."""
        return deploy_keys.public_line(self.deploy_key, self.name) if self.deploy_key else ""


@contextlib.contextmanager
def _told_of(field: str) -> Iterator[None]:
    """What is wrong with a value stands at its field."""
    try:
        yield
    except UserError as error:
        raise ValidationError({field: str(error)}) from error


class SpecVersion(models.Model):
    """A pipeline as somebody saved it on this server; never changed, the highest number of a project counts."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="spec_versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    author = models.CharField(max_length=150)
    message = models.CharField(max_length=200, blank=True)
    restores = models.PositiveIntegerField(null=True, help_text="The version that this one brought back")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="spec_version_once")]

    def __str__(self) -> str:
        return f"version {self.number} of {self.project}'s pipeline"


class Role(models.TextChoices):
    """What a team may do in a project; each includes the ones before it."""

    VIEWER = "viewer", "sees everything but secrets"
    DEVELOPER = "developer", "starts, approves and cancels runs"
    MAINTAINER = "maintainer", "deploys, rolls back, edits the pipeline, lets forks run"
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


class Masked(models.Model):
    """A value under a name that is masked wherever it is printed."""

    name = models.CharField(max_length=100, validators=[VARIABLE])
    value = EncryptedTextField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def clean(self) -> None:
        if len(self.value.encode()) < MIN_LENGTH:
            least = f"At least {MIN_LENGTH} bytes: a shorter value cannot be masked in logs without hiding other text."
            raise ValidationError({"value": least})


class Secret(Masked):
    """A value given to stages that name it, masked in their logs, and never to a fork's pull request."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="secrets")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="secret_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.project}"


class Refusal(models.Model):
    """The last delivery to a project's webhook that was not taken; there from when somebody sets the project up."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="refusal")
    at = models.DateTimeField(null=True, help_text="None: nothing was refused yet")
    why = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.project}: {self.why or 'nothing refused'}"
