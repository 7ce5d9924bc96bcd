"""A day in one message, once."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import timezone

from pipelines.notifications.models import Rule
from pipelines.projects.models import Project
from pipelines.states.status import Status
from server.notifications import clock
from tests.factories import (
    finish_deploy,
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_red_run,
)
from tests.lab.slack import Slack
from tests.server.notifications.conftest import drain, hear

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(workspace: Slack, project: Project) -> Project:
    """With a digest that is due each day at this time."""
    hear(project, "slack", "#shop", "digest", digest_at="09:00")
    now = timezone.now()
    Rule.objects.update(
        digest_at=(now - timedelta(minutes=1)).time().replace(second=0, microsecond=0),
        created_at=now - timedelta(days=3),
    )
    return project


def later() -> datetime:
    return timezone.now() + timedelta(days=1)


def test_the_digest_counts_the_day_and_says_what_is_broken_and_live(project: Project, workspace: Slack) -> None:
    make_green_run(project)
    environment = make_environment(project)
    make_live(environment)
    finish_deploy(make_deploy(environment), Status.FAILED)
    red = make_red_run(project)
    assert clock.put_due(later()) == 1
    drain()
    (message,) = workspace.roots
    assert f"main is broken since run {red.number}" in message.text
    assert "% of" in message.text
    assert "2 deploys" in message.text
    assert "production: deploy 2 of release 2 failed" in str(message.blocks)
    assert "production runs release 1" in str(message.blocks)


def test_the_digest_of_a_day_comes_once(project: Project, workspace: Slack) -> None:
    now = later()
    assert [clock.put_due(now), clock.put_due(now)] == [1, 0]
    assert clock.put_due(now + timedelta(days=1)) == 1
    drain()
    assert len(workspace.roots) == 2


def test_a_quiet_day_is_said_to_be_one(project: Project, workspace: Slack) -> None:
    clock.put_due(later())
    drain()
    assert workspace.texts == ["shop: the last day: no run ended, no deploy"]


def test_before_its_time_there_is_none(project: Project) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    Rule.objects.update(digest_at=time(9), time_zone="Europe/Berlin", created_at=long_ago)
    assert clock.put_due(datetime(2026, 7, 10, 6, 59, tzinfo=UTC)) == 0
