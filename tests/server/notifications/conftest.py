"""A server that may speak to the stand-ins of this machine."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.notifications import lifecycle
from pipelines.notifications.lifecycle import Wish
from pipelines.notifications.models import Recipient, Rule
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from server.notifications import announcer
from tests.factories import make_project
from tests.lab.slack import Slack, slack
from tests.lab.stand_in import Answer, Asked, serve

ADA = "ada (#1)"
ALL = [
    *("run.failed", "run.succeeded", "run.asks", "deploy.begun", "deploy.succeeded"),
    *("deploy.failed", "deploy.asks", "overruled", "alarm", "drift"),
]


@dataclass(slots=True)
class Sink:
    """A program that takes webhooks; `answers` are given in turn before 200, each after it was held for a while."""

    url: str = ""
    taken: list[Asked] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    holds_seconds: float = 0

    def answer(self, asked: Asked) -> Answer:
        self.taken.append(asked)
        time.sleep(self.holds_seconds)
        return self.answers.pop(0) if self.answers else Answer(value={"ok": True})


@pytest.fixture
def project() -> Project:
    return make_project("shop")


@pytest.fixture
def workspace(settings: Settings) -> Iterator[Slack]:
    with slack() as running:
        settings.SLIPWAY_SLACK_API = running.url + "/api/"
        settings.SLIPWAY_SLACK_TOKEN = running.token
        settings.SLIPWAY_URL = "https://slipway.example"
        yield running


@pytest.fixture
def sink(settings: Settings) -> Iterator[Sink]:
    settings.SLIPWAY_URL = "https://slipway.example"
    settings.SLIPWAY_INTERNAL_HOSTS = ["127.0.0.1"]
    sink = Sink()
    with serve(sink.answer) as url:
        sink.url = url
        yield sink


def drain() -> None:
    """As the announcer does: first who hears is found out, then each is told."""
    for channel in (Channel.RULES, Channel.CHAT, Channel.MAIL, Channel.WEBHOOK, Channel.APPRISE):
        drain_one(channel)


def drain_one(channel: Channel) -> int:
    """How many messages of that channel were tried."""
    return announcer.drain(channel, threading.Event())


def make_all_due() -> None:
    Message.objects.filter(sent_at=None).update(due_at=timezone.now() - timedelta(seconds=1))


def hear(project: Project, kind: str, address: str, *topics: str, **wish: object) -> Recipient:
    """A recipient with one rule; without topics it hears of everything that happens."""
    recipient = lifecycle.add_recipient(project, kind, address, "", ADA)
    lifecycle.add_rule(recipient, Wish(topics or ALL, **wish), ADA)  # type: ignore[arg-type]
    return recipient


def rule_of(recipient: Recipient) -> Rule:
    return Rule.objects.get(recipient=recipient)
