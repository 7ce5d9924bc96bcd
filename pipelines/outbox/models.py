"""Messages that wait to be sent."""

from django.db import models
from django.db.models.functions import Now

from pipelines.states.models import Transition


class Channel(models.TextChoices):
    COMMIT_STATUS = "commit_status", "commit status at the code host"
    CHAT = "chat", "Slack"


class Message(models.Model):
    """One transition to be told on one channel, once. Drained by the announcer under a lease, with back-off."""

    transition = models.ForeignKey(Transition, on_delete=models.CASCADE, related_name="messages")
    channel = models.CharField(max_length=20, choices=Channel.choices)
    due_at = models.DateTimeField(db_default=Now(), help_text="On the database's clock, as leases are")
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transition", "channel"], name="message_once")]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="message_waiting",
                condition=models.Q(sent_at=None, given_up_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.transition}"
