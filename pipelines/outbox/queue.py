"""Put messages in, and take them out under a lease."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from pipelines.outbox.models import Channel, Message, Notice
from pipelines.outbox.signals import given_up
from pipelines.states import leases
from pipelines.states.models import Transition

LEASE_SECONDS = 60
# Seconds until the next try after the 1st, 2nd … failure; after the last the message is given up.
BACK_OFF_SECONDS = (2, 5, 15, 60, 300, 900, 3600, 3600)


def put(transition: Transition, channel: Channel, topic: str = "") -> None:
    """Ask for `transition` to be told, in the transaction that wrote it."""
    Message.objects.create(transition=transition, channel=channel, topic=topic)


def pass_on(message: Message, channel: Channel, topic: str, target: int) -> None:
    """Ask for what `message` is about to be told to one target of a rule; nothing for one that was asked for before."""
    row = Message(transition=message.transition, notice=message.notice, channel=channel, topic=topic, target=target)
    Message.objects.bulk_create([row], ignore_conflicts=True)


def notify(topic: str, subject_kind: str, subject_id: int, facts: dict[str, Any], channels: Iterable[Channel]) -> None:
    """Ask for something that is no transition to be told, in the caller's transaction."""
    notice = Notice.objects.create(topic=topic, subject_kind=subject_kind, subject_id=subject_id, facts=facts)
    Message.objects.bulk_create([Message(notice=notice, channel=channel, topic=topic) for channel in channels])


def due(channel: Channel, limit: int = 50) -> Iterator[Message]:
    """Messages to send now, in the order in which they were put; each is leased to the caller when it is yielded.

    Of two announcers one gets it: the lease is a compare-and-set on the number of attempts.
    """
    waiting = Message.objects.filter(channel=channel, sent_at=None, given_up_at=None, due_at__lte=Now())
    for message in waiting.select_related("transition", "notice").order_by("pk")[:limit]:
        mine = Message.objects.filter(pk=message.pk, attempts=message.attempts, sent_at=None)
        leased = mine.update(attempts=message.attempts + 1, due_at=leases.until(LEASE_SECONDS))
        if leased == 1:
            message.attempts += 1
            yield message


def later_sent(message: Message) -> QuerySet[Message]:
    """What was sent on its channel about the same subject, though it tells of something later; newest first."""
    told = message.transition
    if told is None:
        return Message.objects.none()
    later = Message.objects.filter(
        channel=message.channel,
        transition__subject_kind=told.subject_kind,
        transition__subject_id=told.subject_id,
        transition_id__gt=told.pk,
    )
    return later.exclude(sent_at=None).select_related("transition").order_by("-transition_id")


def tell_one(topic: str, subject_kind: str, subject_id: int, facts: dict[str, Any], channel: Channel, to: int) -> None:
    """As `notify`, to one target."""
    notice = Notice.objects.create(topic=topic, subject_kind=subject_kind, subject_id=subject_id, facts=facts)
    Message.objects.create(notice=notice, channel=channel, topic=topic, target=to)


def again(message: Message) -> bool:
    """Send a message once more that was sent or given up; False while it waits anyway."""
    ended = Message.objects.filter(pk=message.pk).exclude(sent_at=None, given_up_at=None)
    return ended.update(sent_at=None, given_up_at=None, attempts=0, due_at=Now(), error="") == 1


def sent(message: Message) -> None:
    Message.objects.filter(pk=message.pk).update(sent_at=timezone.now(), error="")


def put_back(message: Message, seconds: float) -> None:
    """Leave it to a later look, as if it had not been tried: nothing is wrong with it, it only is not its turn."""
    mine = Message.objects.filter(pk=message.pk, attempts=message.attempts)
    mine.update(attempts=message.attempts - 1, due_at=leases.until(seconds))


def failed(message: Message, error: str, *, permanent: bool, after_seconds: float = 0) -> None:
    """Try again later, or give up when trying again cannot help or was tried often enough.

    The pause is at least `after_seconds`, as the other side asked for, within the longest of our own.
    """
    row = Message.objects.filter(pk=message.pk)
    if permanent or message.attempts >= len(BACK_OFF_SECONDS):
        with transaction.atomic():
            row.update(given_up_at=timezone.now(), error=error)
            given_up.send(Message, message=message)
    else:
        pause = max(BACK_OFF_SECONDS[message.attempts - 1], min(after_seconds, BACK_OFF_SECONDS[-1]))
        row.update(due_at=leases.until(pause), error=error)
