"""Which release each host ran over the last day."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipelines.deploys.models import Environment, Host, HostDeploy, OnBreach
from pipelines.deploys.reads import bands
from pipelines.deploys.reads.bands import Stretch, Switch
from pipelines.states.status import Status
from tests.factories import finish_deploy, make_deploy, make_environment, make_live

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def day(*switches: Switch) -> list[Stretch]:
    return bands.day(switches, NOON, NOON + 24 * HOUR)


def test_each_stretch_lasts_until_the_next_switch() -> None:
    found = day(Switch(NOON + HOUR, 1, True), Switch(NOON + 3 * HOUR, 2, True))
    assert found == [Stretch(1, 3600, 3 * 3600, True), Stretch(2, 3 * 3600, 24 * 3600, True)]


def test_what_ran_before_the_day_is_there_from_its_beginning() -> None:
    assert day(Switch(NOON - 9 * HOUR, 1, True)) == [Stretch(1, 0, 24 * 3600, True)]
    found = day(Switch(NOON - 9 * HOUR, 1, True), Switch(NOON - HOUR, 2, True), Switch(NOON + HOUR, 3, False))
    assert [(one.release, one.start, one.healthy) for one in found] == [(2, 0, True), (3, 3600, False)]


def test_a_host_without_a_deploy_has_no_stretch() -> None:
    assert day() == []


@pytest.fixture
def environment() -> Environment:
    return make_environment(on_breach=OnBreach.STOP)


def of(environment: Environment, name: str) -> list[tuple[int, bool]]:
    hosts = list(environment.hosts.all())
    host = next(host for host in hosts if host.name == name)
    return [(one.release, one.healthy) for one in bands.of_environment(environment, hosts)[host.pk]]


@pytest.mark.django_db
def test_a_deploy_that_failed_on_a_host_left_it_unwell_until_the_next(environment: Environment) -> None:
    make_live(environment)
    finish_deploy(make_deploy(environment), Status.FAILED)
    make_live(environment)
    assert of(environment, "web-1") == [(1, True), (2, False), (3, True)]
    assert of(environment, "web-2") == [(1, True), (3, True)]


@pytest.mark.django_db
def test_of_what_was_before_the_day_only_the_last_counts(environment: Environment) -> None:
    for _ in range(3):
        make_live(environment)
    HostDeploy.objects.update(finished_at=timezone.now() - timedelta(days=2))
    assert of(environment, "web-1") == [(3, True)]


@pytest.mark.django_db
def test_a_look_at_a_day_does_not_read_all_that_was_before_it(environment: Environment) -> None:
    make_live(environment)
    hosts = list(environment.hosts.all())
    with CaptureQueriesContext(connection) as queries:
        bands.of_environment(environment, hosts)
    assert len(queries) == 2
    assert not any("GROUP BY" in query["sql"] for query in queries)


@pytest.mark.django_db
def test_a_host_that_is_unwell_now_is_so_since_it_was_seen(environment: Environment) -> None:
    make_live(environment)
    Host.objects.filter(name="web-1").update(healthy=False, checked_at=timezone.now())
    assert of(environment, "web-1") == [(1, True), (1, False)]
