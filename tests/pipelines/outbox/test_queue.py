"""The outbox: each message leased to one announcer, tried again with growing pauses, given up in the end."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.outbox import queue
from pipelines.outbox.models import Channel, Message
from pipelines.states.models import Transition
from tests.factories import make_run
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _put(channel: Channel = Channel.CHAT) -> Message:
    run = make_run(spec=None)
    told = Transition.objects.get(subject_kind="run", subject_id=run.pk)
    queue.put(told, channel)
    return Message.objects.get(transition=told, channel=channel)


def _make_due(message: Message) -> None:
    Message.objects.filter(pk=message.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def _stored(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


def test_a_message_comes_out_once_while_it_is_leased() -> None:
    message = _put()
    assert list(queue.due(Channel.CHAT)) == [message]
    assert list(queue.due(Channel.CHAT)) == []


def test_each_channel_has_its_own_announcer() -> None:
    message = _put(Channel.COMMIT_STATUS)
    assert list(queue.due(Channel.CHAT)) == []
    assert list(queue.due(Channel.COMMIT_STATUS)) == [message]


def test_a_transition_is_told_once_on_each_channel() -> None:
    message = _put()
    assert message.transition is not None
    queue.put(message.transition, Channel.COMMIT_STATUS)
    with pytest.raises(IntegrityError), transaction.atomic():
        queue.put(message.transition, Channel.CHAT)


def test_messages_come_in_the_order_of_what_they_tell_and_no_more_than_asked_for() -> None:
    messages = [_put() for _ in range(3)]
    assert list(queue.due(Channel.CHAT, limit=2)) == messages[:2]
    assert list(queue.due(Channel.CHAT)) == messages[2:]


def test_a_message_whose_announcer_died_comes_out_again_after_its_lease() -> None:
    message = _put()
    list(queue.due(Channel.CHAT))
    _make_due(message)
    again = list(queue.due(Channel.CHAT))
    assert again == [message]
    assert again[0].attempts == 2


def test_a_lease_counts_from_when_the_message_is_handed_out() -> None:
    messages = [_put() for _ in range(2)]
    handing_out = queue.due(Channel.CHAT)
    next(handing_out)
    Message.objects.filter(pk=messages[0].pk).update(due_at=timezone.now())
    slow_until = timezone.now() - timedelta(milliseconds=1)  # finer than SQLite's clock
    next(handing_out)
    assert _stored(messages[1]).due_at >= slow_until + timedelta(seconds=queue.LEASE_SECONDS)


def test_a_clock_that_goes_wrong_on_this_machine_changes_no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    message = _put()
    (leased,) = queue.due(Channel.CHAT)
    assert list(queue.due(Channel.CHAT)) == []
    queue.failed(leased, "503 from the chat", permanent=False)
    assert _stored(message).due_at < ahead - timedelta(minutes=50)


def test_a_sent_message_never_comes_again() -> None:
    message = next(queue.due(Channel.CHAT), None) or _put()
    for due in queue.due(Channel.CHAT):
        queue.sent(due)
    _make_due(message)
    assert list(queue.due(Channel.CHAT)) == []
    assert _stored(message).sent_at is not None


def test_after_each_failure_the_pause_grows_and_after_the_last_it_is_given_up() -> None:
    message = _put()
    pauses = []
    for _ in range(len(queue.BACK_OFF_SECONDS)):
        _make_due(message)
        (leased,) = queue.due(Channel.CHAT)
        queue.failed(leased, "503 from the chat", permanent=False)
        stored = _stored(message)
        pauses.append(round((stored.due_at - timezone.now()).total_seconds()))
    assert pauses[:-1] == list(queue.BACK_OFF_SECONDS[:-1])
    assert stored.given_up_at is not None
    assert stored.error == "503 from the chat"
    _make_due(message)
    assert list(queue.due(Channel.CHAT)) == []


def test_what_trying_again_cannot_mend_is_given_up_at_once() -> None:
    message = _put()
    (leased,) = queue.due(Channel.CHAT)
    queue.failed(leased, "no such channel", permanent=True)
    assert _stored(message).given_up_at is not None
    assert _stored(message).error == "no such channel"


@pytest.mark.django_db(transaction=True)
def test_of_several_announcers_one_gets_each_message() -> None:
    messages = [_put() for _ in range(20)]
    taken = race(4, lambda _: [message.pk for message in queue.due(Channel.CHAT)])
    got = [pk for one in taken if isinstance(one, list) for pk in one]
    assert sorted(got) == sorted(message.pk for message in messages)
