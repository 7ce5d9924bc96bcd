"""Signed webhooks to a real server of this machine."""

import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.notifications import keeping, lifecycle
from pipelines.notifications.models import Delivery, Recipient
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from server.notifications import hooks, outside
from tests.factories import finish_deploy, make_deploy, make_environment, make_green_run, make_red_run
from tests.lab.patience import until
from tests.lab.stand_in import Answer
from tests.server.notifications.conftest import ADA, Sink, drain, hear, make_all_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def recipient(project: Project, sink: Sink) -> Recipient:
    return hear(project, "webhook", f"{sink.url}/in?key=1")


def test_a_delivery_is_signed_and_says_what_happened(sink: Sink, recipient: Recipient, project: Project) -> None:
    make_green_run(project)
    run = make_red_run(project)
    drain()
    (asked,) = sink.taken
    assert asked.path == "/in?key=1"
    stamp = asked.headers["Slipway-Timestamp"]
    assert abs(time.time() - int(stamp)) < 60
    signed = hmac.new(recipient.signing_secret.encode(), f"{stamp}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert asked.headers["Slipway-Signature"] == f"v1={signed}"
    told = asked.json()
    assert told["id"] == asked.headers["Slipway-Delivery"]
    assert (told["topic"], told["project"]) == ("run.failed", "shop")
    assert told["run"]["number"] == run.number
    assert told["run"]["suspects"][0]["sha"] == run.sha
    assert "done" in told["run"]["tail"]


def test_a_deploy_is_told_with_its_environment(sink: Sink, recipient: Recipient, project: Project) -> None:
    finish_deploy(make_deploy(make_environment(project)))
    drain()
    begun, ended = (asked.json() for asked in sink.taken)
    assert (begun["topic"], ended["topic"]) == ("deploy.begun", "deploy.succeeded")
    assert (ended["deploy"]["environment"], ended["deploy"]["release"]) == ("production", 1)


def test_what_was_answered_is_kept_shortened(sink: Sink, recipient: Recipient) -> None:
    sink.answers.append(Answer(content=b"x" * 100_000, headers=(("Content-Type", "text/plain"),)))
    lifecycle.send_test(recipient, ADA)
    drain()
    (kept,) = Delivery.objects.all()
    assert (kept.http_status, kept.error, len(kept.answer)) == (200, "", hooks.KEPT_ANSWER)
    assert kept.took_ms is not None
    assert json.loads(kept.body)["topic"] == "test"


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_passing_trouble_is_tried_again_under_the_same_id_with_the_same_body(
    sink: Sink, recipient: Recipient, status: int
) -> None:
    sink.answers.append(Answer(status))
    lifecycle.send_test(recipient, ADA)
    drain()
    assert str(status) in Message.objects.get(target=recipient.pk).error
    drain()
    assert len(sink.taken) == 1
    make_all_due()
    drain()
    first, second = sink.taken
    assert first.headers["Slipway-Delivery"] == second.headers["Slipway-Delivery"]
    assert first.body == second.body
    assert [kept.http_status for kept in Delivery.objects.order_by("pk")] == [status, 200]


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_that_stays_is_given_up_at_once(sink: Sink, recipient: Recipient, status: int) -> None:
    sink.answers.append(Answer(status))
    lifecycle.send_test(recipient, ADA)
    drain()
    assert Message.objects.get(target=recipient.pk).given_up_at is not None


def test_a_redirect_is_not_followed(sink: Sink, recipient: Recipient) -> None:
    sink.answers.append(Answer(307, headers=(("Location", f"{sink.url}/elsewhere"),)))
    lifecycle.send_test(recipient, ADA)
    drain()
    assert len(sink.taken) == 1
    assert "redirect" in Message.objects.get(target=recipient.pk).error


def test_one_that_never_answers_is_left_after_a_while(
    project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SLIPWAY_INTERNAL_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(outside, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        recipient = hear(project, "webhook", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        lifecycle.send_test(recipient, ADA)
        begun = time.monotonic()
        drain()
    assert time.monotonic() - begun < 60
    message = Message.objects.get(target=recipient.pk)
    assert (message.sent_at, message.given_up_at) == (None, None)
    assert "no answer" in message.error
    assert Delivery.objects.get().error.startswith("no answer")


def test_one_that_drips_is_cut_off(project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then, without an end of the headers."""
    settings.SLIPWAY_INTERNAL_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(outside, "ANSWER_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        threading.Thread(target=_drip, args=(dripping,), daemon=True).start()
        lifecycle.send_test(hear(project, "webhook", f"http://127.0.0.1:{dripping.getsockname()[1]}/"), ADA)
        begun = time.monotonic()
        drain()
    assert time.monotonic() - begun < 60
    assert "no answer" in Message.objects.get().error


def _drip(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while True:
            connection.sendall(b".")
            time.sleep(0.1)


def test_how_long_it_asks_to_be_left_alone_is_kept_to(sink: Sink, recipient: Recipient) -> None:
    sink.answers.append(Answer(429, headers=(("Retry-After", "600"),)))
    lifecycle.send_test(recipient, ADA)
    drain()
    pause = Message.objects.get(target=recipient.pk).due_at - timezone.now()
    assert 500 < pause.total_seconds() < 601


def test_deliveries_are_forgotten_after_a_month(sink: Sink, recipient: Recipient) -> None:
    lifecycle.send_test(recipient, ADA)
    drain()
    assert keeping.forget(timezone.now() + timedelta(days=29)) == 0
    assert keeping.forget(timezone.now() + timedelta(days=31)) == 1


def test_an_internal_address_is_refused_until_an_operator_allows_it(
    sink: Sink, recipient: Recipient, settings: Settings
) -> None:
    settings.SLIPWAY_INTERNAL_HOSTS = []
    lifecycle.send_test(recipient, ADA)
    drain()
    assert sink.taken == []
    message = Message.objects.get(target=recipient.pk)
    assert message.given_up_at is not None
    assert "SLIPWAY_INTERNAL_HOSTS" in message.error


def test_killed_after_sending_and_before_noting_it_is_sent_again_under_the_same_id(
    sink: Sink, recipient: Recipient
) -> None:
    lifecycle.send_test(recipient, ADA)
    message = Message.objects.get(target=recipient.pk)
    hooks.send(message)  # and nothing is noted of the message
    make_all_due()
    drain()
    first, second = sink.taken
    assert first.headers["Slipway-Delivery"] == second.headers["Slipway-Delivery"]
    assert first.body == second.body


def test_send_again_keeps_the_id(sink: Sink, recipient: Recipient) -> None:
    lifecycle.send_test(recipient, ADA)
    drain()
    assert lifecycle.send_again(recipient, Message.objects.get(target=recipient.pk), ADA)
    drain()
    assert len({asked.headers["Slipway-Delivery"] for asked in sink.taken}) == 1
    assert len(sink.taken) == 2


PREPARE = """
from pipelines.notifications import keeping, lifecycle
from pipelines.projects.models import Project
project = Project.objects.create(name="shop", clone_url="https://example.org/shop.git")
lifecycle.send_test(lifecycle.add_recipient(project, "webhook", "{url}", "", "ada (#1)"), "ada (#1)")
"""


@pytest.mark.faults
def test_an_announcer_that_is_killed_between_sending_and_noting_leaves_it_to_the_next(
    sink: Sink, tmp_path: Path
) -> None:
    """Its receiver hears it twice, under one id and with one body."""
    environment = {
        **os.environ,
        "SLIPWAY_STATE_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "server.settings",
        "SLIPWAY_INTERNAL_HOSTS": "127.0.0.1",
    }
    manage = [sys.executable, str(Path(__file__).parents[3] / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True)
    subprocess.run([*manage, "shell", "-v0", "-c", PREPARE.format(url=sink.url)], env=environment, check=True)
    sink.holds_seconds = 30
    first = subprocess.Popen([*manage, "announce"], env=environment, stderr=subprocess.DEVNULL)
    until("the first delivery", lambda: sink.taken)
    first.send_signal(signal.SIGKILL)
    first.wait()
    sink.holds_seconds = 0
    with closing(sqlite3.connect(tmp_path / "slipway.sqlite3")) as records, records:
        records.execute("update outbox_message set due_at = '2000-01-01 00:00:00'")  # its lease has run out
    second = subprocess.Popen([*manage, "announce"], env=environment, stderr=subprocess.DEVNULL)
    until("the second delivery", lambda: len(sink.taken) == 2)
    until("that it is noted", lambda: _is_sent(tmp_path))
    second.terminate()
    second.wait()
    one, other = sink.taken
    assert one.headers["Slipway-Delivery"] == other.headers["Slipway-Delivery"]
    assert one.body == other.body


def _is_sent(state: Path) -> bool:
    with closing(sqlite3.connect(state / "slipway.sqlite3")) as records:
        return bool(records.execute("select count(*) from outbox_message where sent_at is not null").fetchone()[0])
