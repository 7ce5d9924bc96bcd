"""Who agreed to what, who they are at the code host, and the doors of concurrency groups."""

from django.conf import settings
from django.db import models

from pipelines.projects.models import Project


class Approval(models.Model):
    """A person's word on a stage that asked for it, or, without a stage, on a run of foreign code at exactly `sha`."""

    run = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="approvals")
    stage = models.ForeignKey("runs.Stage", null=True, on_delete=models.CASCADE, related_name="words")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.CharField(max_length=150, help_text="The person, as ledgers name them")
    sha = models.CharField(max_length=64)
    refused = models.BooleanField(default=False)
    answers = models.JSONField(default=dict, help_text="Name to text of what was asked")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stage", "person"], name="word_once")]
        indexes = [models.Index(fields=["run", "sha"])]

    def __str__(self) -> str:
        return f"{self.actor} {'refused' if self.refused else 'approved'} {self.stage or self.run}"


class Group(models.Model):
    """The door of a concurrency group: who takes a place in it writes this row first, so they come in one by one."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=310, help_text="`runs` or `stages`, and the group's name")
    entries = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = "concurrency group"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="group_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.project}"


class Identity(models.Model):
    """Which account at the code host is whose: nobody approves what their own push started."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identity")
    code_host_id = models.BigIntegerField(unique=True, help_text="The code host's numeric id; names can be changed")
    is_own_word = models.BooleanField(
        "their own word",
        default=False,
        help_text="Noted when they connected the account themselves; who is called as they are counts as them too",
    )

    class Meta:
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return f"{self.user} is {self.code_host_id} at the code host"


class Template(models.Model):
    """A project whose pipeline files every project of this server may include: an operator says so."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="template")

    def __str__(self) -> str:
        return f"{self.project}, for all to include"
