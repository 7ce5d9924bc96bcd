"""Only what the environment before it has run well for long enough may go on."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.deploys import inspections, queue, requests
from pipelines.deploys.inspections import Finding
from pipelines.deploys.models import Deploy, Environment, Inspection, Waits
from pipelines.deploys.plans import Listed
from pipelines.deploys.protection import trials
from pipelines.deploys.protection.trials import Stay, stays_of
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_release,
)

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"
HALF_AN_HOUR = 1800


@pytest.fixture
def environment() -> Environment:
    return make_environment()


def _ask(environment: Environment, **fields: Any) -> Deploy:
    return requests.request(environment, make_release(environment.project), ADA, **fields)


def _settled(deploy: Deploy) -> Deploy:
    queue.settle(deploy.environment_id)
    deploy.refresh_from_db()
    return deploy


def _before(environment: Environment, seconds: int = HALF_AN_HOUR, **fields: Any) -> Environment:
    """A staging environment that must have run a release for so long first."""
    staging = make_environment(environment.project, "staging", hosts=["stage-1"], **fields)
    environment.after, environment.after_seconds = staging, seconds
    environment.save()
    return staging


def _ended(deploy: Deploy, ago: float) -> Deploy:
    """As if it had ended so many seconds ago."""
    Deploy.objects.filter(pk=deploy.pk).update(finished_at=timezone.now() - timedelta(seconds=ago))
    deploy.refresh_from_db()
    return deploy


def test_a_release_that_the_environment_before_has_not_run_waits(environment: Environment) -> None:
    _before(environment)
    deploy = _ask(environment)
    assert (deploy.status, deploy.waits_for, deploy.waits_until) == (Status.BLOCKED, Waits.BEFORE, None)
    assert deploy.reason == "staging has not run release 1; it must for 30 min"


def test_it_waits_until_the_environment_before_has_run_it_long_enough(environment: Environment) -> None:
    staging = _before(environment)
    deploy = _ask(environment)
    brought = _ended(finish_deploy(make_deploy(staging, deploy.release)), ago=600)
    assert brought.finished_at is not None
    _settled(deploy)
    assert deploy.waits_until == brought.finished_at + timedelta(seconds=HALF_AN_HOUR)
    since = f"{brought.finished_at:%Y-%m-%d %H:%M}"
    assert deploy.reason == f"staging runs release 1 well since {since} UTC; it must for 30 min"
    _ended(brought, ago=HALF_AN_HOUR)
    assert _settled(deploy).status == Status.QUEUED


def test_without_a_time_it_is_enough_that_it_went_well_there(environment: Environment) -> None:
    staging = _before(environment, seconds=0)
    deploy = _ask(environment)
    assert deploy.reason == "staging has not run release 1 yet"
    finish_deploy(make_deploy(staging, deploy.release))
    assert _settled(deploy).status == Status.QUEUED


def test_what_ran_there_long_enough_before_something_newer_came_may_go(environment: Environment) -> None:
    staging = _before(environment)
    deploy = _ask(environment)
    _ended(finish_deploy(make_deploy(staging, deploy.release)), ago=4000)
    _ended(finish_deploy(make_deploy(staging)), ago=2000)
    assert _settled(deploy).status == Status.QUEUED


def test_what_was_replaced_there_too_soon_may_not(environment: Environment) -> None:
    staging = _before(environment)
    deploy = _ask(environment)
    _ended(finish_deploy(make_deploy(staging, deploy.release)), ago=4000)
    _ended(finish_deploy(make_deploy(staging)), ago=3700)
    assert re.fullmatch(r"staging ran release 1 well for 5 min.* only; it must for 30 min", _settled(deploy).reason)


def test_a_host_that_is_not_healthy_there_keeps_it_back(environment: Environment) -> None:
    staging = _before(environment)
    deploy = _ask(environment)
    _ended(finish_deploy(make_deploy(staging, deploy.release)), ago=4000)
    staging.hosts.update(healthy=False)
    assert _settled(deploy).reason == "staging runs release 1, but stage-1 is not healthy there"


def test_that_it_ran_another_release_does_not_count(environment: Environment) -> None:
    staging = _before(environment, seconds=0)
    first = make_release(environment.project)
    finish_deploy(make_deploy(staging, first))
    deploy = requests.request(environment, make_release(environment.project), ADA)
    assert deploy.waits_for == Waits.BEFORE


def test_an_automatic_deploy_goes_by_itself_when_staging_has_run_its_release_long_enough(
    environment: Environment,
) -> None:
    staging = _before(environment, automatic=True)
    Environment.objects.update(automatic=True)
    release = make_release(environment.project)
    first, then = staging.deploys.get(), environment.deploys.get()
    assert (first.status, then.status, then.waits_for) == (Status.QUEUED, Status.BLOCKED, Waits.BEFORE)
    _ended(finish_deploy(first), ago=HALF_AN_HOUR)
    assert _settled(then).status == Status.QUEUED
    finish_deploy(then)
    for place in (staging, environment):
        place.refresh_from_db()
        assert place.current == release
    bytes_shipped = {deploy.release.digest for deploy in Deploy.objects.select_related("release__artifact")}
    assert len(bytes_shipped) == 1


@pytest.mark.parametrize("on_breach", ["stop", "roll_back"])
def test_an_automatic_deploy_is_cancelled_when_its_release_fails_in_staging(
    environment: Environment, on_breach: str
) -> None:
    staging = _before(environment, on_breach=on_breach)
    make_live(staging)
    Environment.objects.update(automatic=True)
    release = make_release(environment.project)
    finish_deploy(staging.deploys.get(release=release), Status.FAILED)
    waiting = _settled(environment.deploys.get(release=release))
    assert waiting.status == Status.CANCELLED
    words = {"stop": "release 2 failed in staging", "roll_back": "release 2 is quarantined: deploy"}
    assert waiting.reason.startswith(words[on_breach])


def test_while_staging_waits_for_a_person_s_answer_nothing_is_cancelled(environment: Environment) -> None:
    staging = _before(environment, on_breach="ask")
    Environment.objects.update(automatic=True)
    release = make_release(environment.project)
    begin_deploy(staging.deploys.get(release=release))
    assert _settled(environment.deploys.get(release=release)).status == Status.BLOCKED


def test_what_a_person_asked_for_is_not_cancelled_for_a_failure_in_staging(environment: Environment) -> None:
    staging = _before(environment, on_breach="stop")
    deploy = _ask(environment)
    finish_deploy(make_deploy(staging, deploy.release), Status.FAILED)
    assert _settled(deploy).waits_for == Waits.BEFORE


def test_a_way_back_to_the_same_release_does_not_end_its_stay(environment: Environment) -> None:
    first = _ended(make_live(environment), ago=3000)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    finish_deploy(Deploy.objects.get(undoes=failed))
    assert first.finished_at is not None
    assert stays_of(first.release, environment) == [Stay(first.finished_at, None)]


def test_where_a_release_came_first_long_ago_its_newest_stay_is_still_known(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "_LOOKED_AT", 2)
    first = _ended(make_live(environment), ago=5000)
    _ended(make_live(environment), ago=4000)
    again = _ended(finish_deploy(make_deploy(environment, first.release)), ago=3000)
    assert again.finished_at is not None
    assert stays_of(first.release, environment) == [Stay(again.finished_at, None)]


def _inspected(environment: Environment, **found: Any) -> None:
    environment.refresh_from_db()
    Inspection.objects.all().delete()
    (due,) = inspections.due(limit=10)
    inspection = inspections.claim(due)
    inspections.conclude(inspection, [Listed("stage-1", "127.0.9.1")], [Finding("stage-1", **found)])


@pytest.mark.parametrize("found", [{"why": "no route to host"}, {"healthy": False, "health_detail": "502"}])
def test_what_ran_there_long_enough_but_not_well_waits_for_as_long_from_when_it_is_well(
    environment: Environment, found: dict[str, Any]
) -> None:
    staging = _before(environment)
    deploy = _ask(environment)
    brought = _ended(finish_deploy(make_deploy(staging, deploy.release)), ago=4000)
    _inspected(staging, **found)
    assert _settled(deploy).reason == "staging runs release 1, but stage-1 is not healthy there"
    _inspected(staging, healthy=True)
    brought.refresh_from_db()
    assert brought.ailed_at is not None
    assert _settled(deploy).waits_until == brought.ailed_at + timedelta(seconds=HALF_AN_HOUR)
    Deploy.objects.filter(pk=brought.pk).update(ailed_at=timezone.now() - timedelta(seconds=HALF_AN_HOUR))
    assert _settled(deploy).status == Status.QUEUED


def test_what_was_ill_there_until_something_newer_came_may_not_go(environment: Environment) -> None:
    staging = _before(environment)
    deploy = _ask(environment)
    _ended(finish_deploy(make_deploy(staging, deploy.release)), ago=7200)
    _inspected(staging, healthy=False)
    finish_deploy(make_deploy(staging))
    assert re.fullmatch(r"staging ran release 1 well for \d s only; it must for 30 min", _settled(deploy).reason)


def test_where_nothing_asks_for_health_a_host_that_answers_again_is_well(environment: Environment) -> None:
    staging = _before(environment, seconds=0)
    deploy = _ask(environment)
    deploy.release.deploy_spec["health"] = None
    deploy.release.save()
    finish_deploy(make_deploy(staging, deploy.release))
    _inspected(staging, why="no route to host")
    assert _settled(deploy).status == Status.BLOCKED
    _inspected(staging)
    assert _settled(deploy).status == Status.QUEUED
