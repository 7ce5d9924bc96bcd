"""Whom a message goes to: the recipient of a rule, or whom a project's or environment's own settings name."""

from collections.abc import Iterable
from contextlib import suppress

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
    """Raises Refused when there is none any more."""
    channel = recipient(message).address if message.target else telling.project.chat_channel
    if not channel:
        raise Refused("the project names no channel any more")
    return channel


def mail_addresses(message: Message, telling: Said) -> tuple[str, ...]:
    """Each once. Raises Refused when the recipient was removed meanwhile."""
    listed = mails(recipient(message).address) if message.target else telling.mail_to
    return tuple({address.casefold(): address for address in reversed(listed)}.values())[::-1]


def unheard(message: Message, telling: Said, addresses: Iterable[str]) -> list[str]:
    """Those whom no other message tells the same: lists overlap, and nobody is told twice.

    Of several messages that name an address the first one tells it, however late it comes, unless it was given up.
    """
    others = Message.objects.filter(transition=message.transition, notice=message.notice, channel=message.channel)
    before = others.filter(pk__lt=message.pk, given_up_at=None)
    heard = {address.casefold() for other in before for address in _addresses(other, telling)}
    return [address for address in addresses if address.casefold() not in heard]


def _addresses(message: Message, telling: Said) -> tuple[str, ...]:
    with suppress(Refused):  # whoever was removed is told nothing
        return mail_addresses(message, telling)
    return ()


def name_of(message: Message) -> str:
    """The same however often it is sent: a receiver that has it already can drop it."""
    return f"slipway-{settings.SLIPWAY_SERVER_ID}-{message.pk}"
