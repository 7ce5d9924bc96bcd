"""Whom a message goes to: the recipient of a rule, or whom a project's or environment's own settings name."""

from django.conf import settings

from pipelines.notifications.addresses import mails
from pipelines.notifications.models import Recipient
from pipelines.outbox.models import Message
from server.notifications.errors import Refused
from server.notifications.facts import Said


def recipient(message: Message) -> Recipient:
    """Raises Refused when it was removed meanwhile."""
    found = Recipient.objects.select_related("project").filter(pk=message.target).first()
    if found is None:
        raise Refused("the recipient was removed from the project's messages")
    return found


def chat_channel(message: Message, telling: Said) -> str:
    return recipient(message).address if message.target else telling.project.chat_channel


def mail_addresses(message: Message, telling: Said) -> tuple[str, ...]:
    return tuple(mails(recipient(message).address)) if message.target else telling.mail_to


def name_of(message: Message) -> str:
    """The same however often it is sent: a receiver that has it already can drop it."""
    return f"slipway-{settings.SLIPWAY_SERVER_ID}-{message.pk}"
