"""The outbox, drained to a chat over HTTP."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.states.status import Status
from server.notifications import announcer
from tests.factories import (
    finish_deploy,
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
)
from tests.lab.slack import Slack
from tests.lab.stand_in import Answer
from tests.server.notifications.conftest import drain_one, make_all_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Told of by its own settings, without a rule."""
    return make_project("shop", chat_channel="#shop")


def drain() -> int:
    return drain_one(Channel.CHAT)


def test_a_red_run_on_the_default_branch_is_told_with_cause_log_and_link(workspace: Slack, project: Project) -> None:
    make_red_run(project)
    drain()
    (message,) = workspace.roots
    assert message.channel == "#shop"
    assert message.text == "shop: run 1 failed on main: test: step 1 ended with code 1"
    assert "done" in str(workspace.thread(message)[0].blocks)
    assert "https://slipway.example/projects/shop/runs/1/" in str(message.blocks)


def test_green_runs_and_other_branches_are_no_news(workspace: Slack, project: Project) -> None:
    make_green_run(project)
    make_red_run(project, ref="refs/heads/lamp")
    assert drain() == 0


def test_a_deploy_that_fails_and_its_rollback_are_told(workspace: Slack, project: Project) -> None:
    environment = make_environment(project)
    make_live(environment)
    deploy = finish_deploy(make_deploy(environment, actor="ada (#1)"), Status.FAILED)
    finish_deploy(deploy.undone_by)
    drain()
    good, bad, back = workspace.roots
    assert good.text == "shop: production runs release 1, on 2 hosts"
    assert bad.text == "shop: production: deploy 2 of release 2 failed: web-1: health check said 500"
    assert "deploy 3 brings release 1 back" in str(bad.blocks)
    assert "asked for by ada (#1)" in str(bad.blocks)
    assert back.text == "shop: production is rolled back to release 1"


def test_a_message_is_sent_once_by_two_announcers(workspace: Slack, project: Project) -> None:
    make_red_run(project)
    assert (drain(), drain()) == (1, 0)
    assert len(workspace.roots) == 1


def test_a_passing_trouble_is_tried_again_later(workspace: Slack, project: Project) -> None:
    make_red_run(project)
    workspace.refusals += [Answer(503), Answer(503)]
    drain()
    message = Message.objects.get(channel=Channel.CHAT)
    assert (message.sent_at, message.given_up_at, message.attempts) == (None, None, 1)
    assert "503" in message.error
    assert message.due_at > timezone.now()
    assert drain() == 0
    make_all_due()
    drain()
    assert len(workspace.roots) == 1


def test_a_short_rate_limit_is_waited_for(workspace: Slack, project: Project) -> None:
    make_red_run(project)
    workspace.refusals.append(Answer(429, headers=(("Retry-After", "1"),)))
    drain()
    assert len(workspace.roots) == 1


def test_a_long_rate_limit_is_left_to_the_outbox(workspace: Slack, project: Project) -> None:
    make_red_run(project)
    workspace.refusals.append(Answer(429, headers=(("Retry-After", "120"),)))
    begun = time.monotonic()
    drain()
    assert time.monotonic() - begun < 60
    assert Message.objects.get().given_up_at is None


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel", "invalid_auth", "is_archived"])
def test_a_refusal_that_stays_is_given_up_at_once(workspace: Slack, project: Project, error: str) -> None:
    make_red_run(project)
    workspace.refusals.append(Answer(value={"ok": False, "error": error}))
    drain()
    message = Message.objects.get()
    assert message.given_up_at is not None
    assert error in message.error


def test_without_a_token_the_message_says_what_to_set(workspace: Slack, project: Project, settings: Settings) -> None:
    settings.SLIPWAY_SLACK_TOKEN = ""
    make_red_run(project)
    drain()
    assert "SLIPWAY_SLACK_TOKEN" in Message.objects.get().error


def test_an_error_of_ours_does_not_stop_the_others(
    workspace: Slack, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_red_run(project)
    make_red_run(project)
    first = Message.objects.order_by("pk")[0]
    real = announcer.SENDERS[Channel.CHAT]

    def send(message: Message) -> None:
        if message == first:
            raise RuntimeError("a mistake")
        real(message)

    monkeypatch.setattr(announcer, "SENDERS", {Channel.CHAT: send})
    drain()
    first.refresh_from_db()
    assert first.error == "RuntimeError: a mistake"
    assert len(workspace.roots) == 1


def test_the_command_ends_cleanly_when_it_is_told_to(tmp_path: Path) -> None:
    environment = {**os.environ, "SLIPWAY_STATE_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "server.settings"}
    manage = Path(__file__).parents[3] / "manage.py"
    subprocess.run([sys.executable, manage, "migrate", "-v0"], env=environment, check=True)
    running = subprocess.Popen([sys.executable, manage, "announce"], env=environment, stderr=subprocess.PIPE)
    assert running.stderr is not None
    assert b"sending what waits" in running.stderr.readline()
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0
    assert errors == b""
