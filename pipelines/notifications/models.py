"""Rules: who hears of what, and where; and what is remembered of what was sent there."""

import secrets

from django.db import models

from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from pipelines.projects.secrets import EncryptedTextField


def new_signing_secret() -> str:
    return secrets.token_urlsafe(32)


class Kind(models.TextChoices):
    """How a recipient is reached."""

    SLACK = "slack", "Slack"
    MAIL = "mail", "mail"
    WEBHOOK = "webhook", "a signed webhook"
    APPRISE = "apprise", "anything else, by apprise"


class Topic(models.TextChoices):
    """What can be heard of."""

    RUN_FAILED = "run.failed", "a run fails"
    RUN_SUCCEEDED = "run.succeeded", "a run succeeds"
    RUN_ASKS = "run.asks", "a run waits for approval"
    DEPLOY_BEGUN = "deploy.begun", "a deploy begins"
    DEPLOY_SUCCEEDED = "deploy.succeeded", "a deploy succeeds"
    DEPLOY_FAILED = "deploy.failed", "a deploy fails, is cancelled or stops half way"
    DEPLOY_ASKS = "deploy.asks", "a deploy waits for a person"
    OVERRULED = "overruled", "somebody overrules a lock, a freeze or an approval"
    ALARM = "alarm", "an alarm goes off after a deploy"
    DRIFT = "drift", "hosts differ from the record, or fall ill"
    DIGEST = "digest", "a digest, once a day"


class Recipient(models.Model):
    """Somebody or something outside that a project's messages go to.

    `address` holds a channel's name, mail addresses, or a URL that may have credentials in it; `shown` is the part of
    it that pages and logs may show.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="recipients")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    label = models.CharField(max_length=60, blank=True, help_text="What people call it")
    shown = models.CharField(max_length=200, help_text="The address, without what may be a credential")
    address = EncryptedTextField()
    signing_secret = EncryptedTextField(
        blank=True, default="", help_text="What a webhook's deliveries are signed with; empty for other kinds"
    )
    made_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["project", "kind"])]

    def __str__(self) -> str:
        return f"{self.name} of {self.project}"

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return f"{self.label} ({self.shown})" if self.label else self.shown


class Rule(models.Model):
    """One recipient hears of some topics, of some refs and environments."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rules")
    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, related_name="rules")
    topics = models.JSONField(default=list)
    refs = models.JSONField(default=list, help_text="Globs of branches, or of full refs; empty: the default branch")
    environments = models.JSONField(default=list, help_text="Names; empty: every environment")
    only_changes = models.BooleanField(
        default=True, help_text="Of runs: only the first that fails, and the first that succeeds again"
    )
    digest_at = models.TimeField(null=True, help_text="Of a digest: when it comes, on the clocks of its time zone")
    time_zone = models.CharField(max_length=60, default="UTC")
    made_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"rule {self.pk} of {self.project}"

    @property
    def is_digest(self) -> bool:
        return Topic.DIGEST in self.topics


class Thread(models.Model):
    """A chat channel's one message about a run or deploy, which is kept up to date; details stand in its thread.

    The row is there before the message is: who writes there holds its lease, and the fence proves it. `told` is the
    newest transition that the message itself shows: what is sent late does not turn it back.
    """

    channel_name = models.CharField(max_length=80)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    channel = models.CharField(max_length=80, blank=True, help_text="Slack's own id of the channel")
    ts = models.CharField(
        max_length=40, blank=True, help_text="Slack's name of the message in its channel; empty before it is there"
    )
    told = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, help_text="Until when somebody writes there alone")
    fence = models.PositiveIntegerField(default=0, help_text="Rises with each who begins to write there")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel_name", "subject_kind", "subject_id"], name="thread_once")
        ]
        indexes = [models.Index(fields=["subject_kind", "subject_id"], name="thread_of")]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id} in {self.channel_name}"


class Delivery(models.Model):
    """One try to send a message to a webhook: what was sent, what was answered. Its row is written before it is sent,
    so that one without an end was cut off: nobody knows whether it arrived."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, related_name="deliveries")
    begun_at = models.DateTimeField(auto_now_add=True)
    body = models.TextField()
    http_status = models.PositiveSmallIntegerField(null=True)
    took_ms = models.PositiveIntegerField(null=True)
    answer = models.TextField(blank=True, help_text="The beginning of what was answered")
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["recipient", "-id"])]

    def __str__(self) -> str:
        return f"delivery {self.pk} to {self.recipient.shown}"


class Digest(models.Model):
    """A day's digest to one recipient was put into the outbox: each once."""

    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, related_name="digests")
    day = models.DateField(help_text="The day it was sent, on the clocks of its rule")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["recipient", "day"], name="digest_once")]

    def __str__(self) -> str:
        return f"digest of {self.day} to {self.recipient.shown}"
