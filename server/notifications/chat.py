"""What an outbox message means to a chat: one message per run and deploy, kept up to date, details in its thread."""

from pipelines.notifications.models import Thread
from pipelines.outbox.models import Message
from pipelines.states.models import Transition
from server.notifications import messages, slack
from server.notifications.facts import Said, said
from server.notifications.recipients import chat_channel, name_of


def send(message: Message) -> None:
    """Tell what `message` is about to its channel. Raises Refused or Unreachable."""
    telling = said(message)
    channel = chat_channel(message, telling)
    told = message.transition
    if told is None or telling.subject is None:
        slack.post(channel, messages.whole(telling.words), name_of(message))
        return
    kind, number = telling.subject
    thread = Thread.objects.filter(channel_name=channel, subject_kind=kind, subject_id=number).first()
    if thread is None or not _bring_up_to_date(thread, message, told, telling):
        _begin(channel, message, told, telling)


def _begin(channel: str, message: Message, told: Transition, telling: Said) -> None:
    """The thread is written down before its details are sent: who comes after a crash goes on there."""
    assert telling.subject is not None, "only what has a subject has a thread"
    kind, number = telling.subject
    posted = slack.post(channel, messages.chat(telling.words), name_of(message))
    place = {"channel": posted.channel, "ts": posted.ts, "told": told.pk}
    thread, _ = Thread.objects.update_or_create(
        channel_name=channel, subject_kind=kind, subject_id=number, defaults=place
    )
    _reply(thread, message, messages.details(telling.words))


def _bring_up_to_date(thread: Thread, message: Message, told: Transition, telling: Said) -> bool:
    """What is sent late, after something newer, is told in the thread alone. False when the message is gone there."""
    begun_by_it = thread.told == told.pk
    if told.pk >= thread.told:
        place = slack.Posted(thread.channel, thread.ts)
        if not slack.update(place, messages.chat(telling.words), name_of(message)):
            return False
        Thread.objects.filter(pk=thread.pk, told__lt=told.pk).update(told=told.pk)
    words, project = telling.words, telling.project.name
    _reply(thread, message, messages.details(words) if begun_by_it else messages.step(words, project))
    return True


def _reply(thread: Thread, message: Message, reply: messages.ChatMessage | None) -> None:
    if reply is not None:
        slack.post(thread.channel, reply, f"{name_of(message)}-details", thread.ts)
