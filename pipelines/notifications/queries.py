"""What is asked about rules and what came of sending; each question is a bounded number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from pipelines.notifications.models import Delivery, Recipient, Rule
from pipelines.outbox.models import Message
from pipelines.projects.models import Project

PAGE = 30


@dataclass(frozen=True, slots=True)
class Sending:
    """A message to a recipient with its tries, newest last; those are kept for webhooks alone."""

    message: Message
    tries: Sequence[Delivery]

    @property
    def last(self) -> Delivery | None:
        return self.tries[-1] if self.tries else None


def has_rules(project_id: int) -> bool:
    """Whether anybody hears of the project by a rule."""
    return Rule.objects.filter(project=project_id).exists()


def rules_of(project: Project) -> list[Rule]:
    return list(Rule.objects.filter(project=project).select_related("recipient").order_by("recipient", "pk"))


def recipients_of(project: Project) -> list[Recipient]:
    return list(Recipient.objects.filter(project=project).order_by("kind", "shown", "pk"))


def sendings(recipient: Recipient, before: int | None = None, limit: int = PAGE) -> list[Sending]:
    """A page of what was put into the outbox for it, newest first; older than the message `before`, if given."""
    messages = Message.objects.filter(target=recipient.pk).order_by("-pk")
    if before is not None:
        messages = messages.filter(pk__lt=before)
    tries = Prefetch("deliveries", Delivery.objects.order_by("pk"))
    found = messages.select_related("transition", "notice").prefetch_related(tries)[:limit]
    return [Sending(message, list(message.deliveries.all())) for message in found]


def troubled(project: Project) -> QuerySet[Message]:
    """What was given up of late, for any of the project's recipients; newest first."""
    recipients = list(Recipient.objects.filter(project=project).values_list("pk", flat=True))
    return Message.objects.filter(target__in=recipients).exclude(given_up_at=None).order_by("-pk")
