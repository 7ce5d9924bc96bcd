"""Messages that wait to be sent."""

from django.db import models
from django.db.models.functions import Now

from pipelines.states.models import Transition


class Channel(models.TextChoices):
    COMMIT_STATUS = "commit_status", "commit status at the code host"
    CHAT = "chat", "Slack"
    MAIL = "mail", "mail"
    DEPLOYMENT = "deployment", "deployment at the code host"
    RULES = "rules", "whom the project's rules name"
    WEBHOOK = "webhook", "webhook"
    APPRISE = "apprise", "apprise"


class Notice(models.Model):
    """Something to tell that is no change of a status. `facts` are what its words are made of."""

    topic = models.CharField(max_length=30)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    facts = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["subject_kind", "subject_id"])]

    def __str__(self) -> str:
        return f"{self.topic} of {self.subject_kind} {self.subject_id}"


class Message(models.Model):
    """One transition or notice to be told on one channel to one target, once. Drained by the announcer under a lease,
    with back-off.

    `topic` says which of the things that a transition may mean is told. On the channel RULES it is told to nobody yet:
    the announcer looks at the project's rules and puts a message for each recipient in its place.
    """

    transition = models.ForeignKey(Transition, null=True, on_delete=models.CASCADE, related_name="messages")
    notice = models.ForeignKey(Notice, null=True, on_delete=models.CASCADE, related_name="messages")
    channel = models.CharField(max_length=20, choices=Channel.choices)
    target = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The recipient of a rule; 0: whom the project's or environment's own settings name",
    )
    topic = models.CharField(max_length=30, blank=True)
    due_at = models.DateTimeField(db_default=Now(), help_text="On the database's clock, as leases are")
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transition", "channel", "target"], name="message_once"),
            models.UniqueConstraint(fields=["notice", "channel", "target"], name="notice_once"),
            models.CheckConstraint(
                condition=models.Q(transition=None, notice__isnull=False)
                | models.Q(transition__isnull=False, notice=None),
                name="message_of_one_thing",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="message_waiting",
                condition=models.Q(sent_at=None, given_up_at=None),
            ),
            models.Index(fields=["target", "-id"], name="message_to"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.transition or self.notice}"
