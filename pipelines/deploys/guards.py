"""What keeps deploys away from an environment for a while, who agreed to one, and what is watched after it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from pipelines.deploys.places import Environment
from pipelines.projects.models import Project


class LockLevel(models.TextChoices):
    STOP = "stop", "nothing is deployed"
    WARN = "warn", "people are warned, nothing is deployed by itself"


class Lock(models.Model):
    """A person keeps deploys away: from one environment, or all of a project, or, with neither, from the whole server.

    In force until it is released or expires. Who took it may deploy in spite of it.
    """

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="locks")
    environment = models.ForeignKey(Environment, null=True, blank=True, on_delete=models.CASCADE, related_name="locks")
    level = models.CharField(max_length=4, choices=LockLevel.choices, default=LockLevel.STOP)
    reason = models.CharField(max_length=300)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    taken_by = models.CharField(max_length=150, help_text="The person, as ledgers name them; empty: Slipway itself")
    taken_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, editable=False)
    released_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        indexes = [models.Index(fields=["environment"], name="lock_held", condition=models.Q(released_at=None))]

    def __str__(self) -> str:
        return f"lock by {self.taken_by}: {self.reason}"


class Freeze(models.Model):
    """A window in which nothing is deployed: each week from a day and time to another, or once between two moments.

    `weekly_from` and `weekly_until` are written like `fri 16:00`, on the clocks of `timezone`.
    """

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="freezes")
    environment = models.ForeignKey(
        Environment, null=True, blank=True, on_delete=models.CASCADE, related_name="freezes"
    )
    name = models.CharField(max_length=100)
    timezone = models.CharField(max_length=60, default="UTC")
    weekly_from = models.CharField(max_length=9, blank=True)
    weekly_until = models.CharField(max_length=9, blank=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class DeployApproval(models.Model):
    """A person's word on a deploy, given for exactly the plan of that hash: release, configuration and hosts."""

    deploy = models.ForeignKey("deploys.Deploy", on_delete=models.CASCADE, related_name="approvals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.CharField(max_length=150, help_text="The person, as ledgers name them")
    plan = models.CharField(max_length=64)
    refused = models.BooleanField(default=False)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deploy", "person", "plan"], name="deploy_word_once")]

    def __str__(self) -> str:
        return f"{self.actor} {'refused' if self.refused else 'approved'} {self.deploy}"


class AlarmKind(models.TextChoices):
    URL = "url", "a URL that must answer 2xx"
    COMMAND = "command", "a command on each host that must end with 0"
    CLOUDWATCH = "cloudwatch", "a CloudWatch alarm"


class AlarmAction(models.TextChoices):
    UNDO = "undo", "undo the deploy, as its environment does with a failure"
    LOCK = "lock", "lock the environment"
    TELL = "tell", "tell people, no more"


class Alarm(models.Model):
    """What is watched after a deploy. Each has a cause, an alert and an action, or it is not worth being woken for."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="alarms")
    name = models.CharField(max_length=100)
    cause = models.CharField(max_length=300, help_text="What is broken when it goes off")
    kind = models.CharField(max_length=10, choices=AlarmKind.choices)
    settings = models.JSONField(default=dict, help_text="{url} or {command} or {alarm, region}")
    alert = models.CharField(max_length=255, help_text="Who is told: chat, or mail addresses, separated by commas")
    action = models.CharField(max_length=10, choices=AlarmAction.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="alarm_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.environment}"


class Inspection(models.Model):
    """When an environment's hosts are next compared with the record. While one does it, `due_at` is the lease's end."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="inspection")
    due_at = models.DateTimeField(db_default=Now(), help_text="On the database's clock")
    fence = models.PositiveIntegerField(default=0, help_text="Rises whenever somebody begins one")
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, help_text="Why the last one could not be made; empty when it could")

    def __str__(self) -> str:
        return f"inspection of {self.environment}"
