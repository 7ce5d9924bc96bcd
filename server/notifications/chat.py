"""What an outbox message means to a chat: one message per run and deploy, kept up to date, details in its thread.

Of several announcers one at a time writes of a subject in a channel, so its message is begun once. Slack takes the same
message twice: one that dies between the message and the note of where it stands leaves a message of which nobody knows,
and the next begins another, once.
"""

from pipelines.notifications import threads
from pipelines.notifications.models import Thread
from pipelines.outbox.models import Message
from pipelines.states.models import Transition
from server.notifications import messages, slack
from server.notifications.facts import Said, said
from server.notifications.recipients import chat_channel, name_of


def send(message: Message) -> None:
    """Tell what `message` is about to its channel. Raises Refused or Unreachable, and LostRace while another announcer
    writes of the same there."""
    telling = said(message)
    channel = chat_channel(message, telling)
    told = message.transition
    if told is None or telling.subject is None:
        slack.post(channel, messages.whole(telling.words), name_of(message))
        return
    with threads.held(channel, *telling.subject) as thread:
        if not (thread.ts and _bring_up_to_date(thread, message, told, telling)):
            _begin(thread, message, told, telling)


def _begin(thread: Thread, message: Message, told: Transition, telling: Said) -> None:
    """The thread is written down before its details are sent: who comes after a crash goes on there."""
    posted = slack.post(thread.channel_name, messages.chat(telling.words), name_of(message))
    threads.note(thread, posted.channel, posted.ts, told.pk)
    _reply(thread, message, messages.details(telling.words))


def _bring_up_to_date(thread: Thread, message: Message, told: Transition, telling: Said) -> bool:
    """What is sent late, after something newer, is told in the thread alone. False when the message is gone there."""
    begun_by_it = thread.told == told.pk
    if told.pk >= thread.told:
        place = slack.Posted(thread.channel, thread.ts)
        if not slack.update(place, messages.chat(telling.words), name_of(message)):
            return False
        threads.note(thread, thread.channel, thread.ts, told.pk)
    words, project = telling.words, telling.project.name
    _reply(thread, message, messages.details(words) if begun_by_it else messages.step(words, project))
    return True


def _reply(thread: Thread, message: Message, reply: messages.ChatMessage | None) -> None:
    if reply is not None:
        slack.post(thread.channel, reply, f"{name_of(message)}-details", thread.ts)
