"""Several announcers at once, on the real database, before a real server: each subject has one message."""

import multiprocessing
import os
import signal
import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from pipelines.notifications.models import Thread
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from tests.factories import finish_deploy, make_deploy, make_environment
from tests.lab.slack import Slack
from tests.server.notifications.conftest import drain, drain_one, hear, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 60


@pytest.fixture
def told(workspace: Slack, project: Project) -> Slack:
    """Two messages about one deploy wait to be sent to one channel."""
    hear(project, "slack", "#shop")
    finish_deploy(make_deploy(make_environment(project)))
    drain_one(Channel.RULES)
    return workspace


def announce() -> None:
    try:
        drain_one(Channel.CHAT)
    finally:
        connections.close_all()


def test_two_announcers_who_tell_of_one_deploy_at_one_moment_begin_one_message(told: Slack) -> None:
    """While the message of the first is being written, the second takes the other one out of the queue."""
    second = threading.Thread(target=announce)
    is_there, both = threading.Event(), threading.Event()

    def on_taken(_: str) -> None:
        if is_there.is_set():
            both.set()
            return
        is_there.set()
        second.start()
        while second.is_alive() and not both.is_set():
            second.join(0.05)

    told.on_taken = on_taken
    first = threading.Thread(target=announce)
    first.start()
    first.join(PATIENCE_SECONDS)
    second.join(PATIENCE_SECONDS)
    make_all_due()
    drain()
    (root,) = told.roots
    assert root.text == "shop: production runs release 1, on 2 hosts"
    assert set(Message.objects.filter(channel=Channel.CHAT).values_list("attempts", flat=True)) == {1}
    assert Thread.objects.get().lease_until is None


def test_one_that_is_killed_before_it_could_note_its_message_leaves_one_behind_and_no_more(told: Slack) -> None:
    """The rest follows when its lease has run out: until then nobody knows whether it still writes."""
    connections.close_all()
    announcer = multiprocessing.get_context("fork").Process(target=announce)

    def on_taken(_: str) -> None:
        told.on_taken = lambda method: None
        assert announcer.pid is not None
        os.kill(announcer.pid, signal.SIGKILL)
        announcer.join()

    told.on_taken = on_taken
    announcer.start()
    announcer.join(PATIENCE_SECONDS)
    assert announcer.exitcode == -signal.SIGKILL
    make_all_due()
    drain()
    assert len(told.roots) == 1
    Thread.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    for _ in range(2):
        make_all_due()
        drain()
    left, kept = told.roots
    assert left.text == "shop: production: deploy 1 of release 1 has begun"
    assert kept.text == "shop: production runs release 1, on 2 hosts"
    assert not Message.objects.filter(channel=Channel.CHAT, sent_at=None).exists()
