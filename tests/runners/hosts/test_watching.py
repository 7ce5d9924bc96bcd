"""The watch after a deploy, and people who want it to end."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.deploys.models import Alarm
from pipelines.states.status import Status
from runners.hosts import watching
from runners.hosts.convoy import Stops
from runners.hosts.verdicts import Verdict
from runners.hosts.watching import Watch
from tests.factories import begin_deploy, make_deploy, make_environment

pytestmark = pytest.mark.django_db


def test_whoever_cancels_a_watch_does_not_wait_for_its_other_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment(watch_seconds=1)
    for name in ("a", "b"):
        environment.alarms.create(name=name, cause="c", kind="url", settings={}, alert="chat", action="undo")
    cancelled, asked = threading.Event(), list[str]()

    def breached(alarm: Alarm, lanes: Any) -> None:
        asked.append(alarm.name)
        cancelled.set()

    monkeypatch.setattr(watching, "breached", breached)
    convoy: Any = SimpleNamespace(over=[], hold=lambda seconds: None)
    log: Any = SimpleNamespace(say=lambda line: None, needles=frozenset())
    watch = Watch(
        begin_deploy(make_deploy(environment)), convoy, Stops(cancelled, threading.Event(), lambda: None), log
    )
    assert watch.over(Verdict(Status.SUCCEEDED, "")).status == Status.CANCELLED
    assert asked == ["a"]
