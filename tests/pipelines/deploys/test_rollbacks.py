"""Back to an earlier release: which, how often, and with what."""

import pytest
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, requests, rollbacks
from pipelines.deploys.models import Deploy, DeployKind, Environment, Phase, Release
from pipelines.deploys.releases import quarantine
from pipelines.deploys.requests import NotDeployable
from pipelines.deploys.rollbacks import UnderWay
from pipelines.errors import LostRace
from pipelines.runs.models import Attempt, Run
from pipelines.states.status import Status
from tests.factories import (
    OWNER,
    begin_deploy,
    configure,
    finish_deploy,
    finish_host,
    make_deploy,
    make_environment,
    make_live,
    make_release,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"


@pytest.fixture
def environment() -> Environment:
    """Releases 1, 2 and 3 ran well in it, one after the other; 3 is live."""
    environment = make_environment()
    for colour in ("red", "green", "blue"):
        configure(environment, {"COLOUR": colour})
        make_live(environment)
    return environment


def _release(environment: Environment, number: int) -> Release:
    return environment.project.releases.get(number=number)


def _targets(environment: Environment) -> list[int]:
    environment.refresh_from_db()
    return [release.number for release in rollbacks.targets(environment, rollbacks.strays(environment))]


def _quarantined(environment: Environment) -> list[int]:
    found = environment.project.releases.exclude(quarantined_at=None)
    return sorted(release.number for release in found)


def _strays(environment: Environment) -> list[str]:
    return [row.host.name for row in rollbacks.strays(environment)]


def test_the_targets_are_what_ran_well_before_the_newest_first(environment: Environment) -> None:
    assert _targets(environment) == [2, 1]


def test_what_failed_here_or_never_came_here_is_no_target(environment: Environment) -> None:
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    finish_deploy(Deploy.objects.get(undoes=failed))
    make_release(environment.project)
    assert _targets(environment) == [2, 1]


def test_what_ran_well_elsewhere_is_no_target_here(environment: Environment) -> None:
    other = make_environment(environment.project, "staging")
    make_live(other)
    assert _targets(environment) == [2, 1]


def test_a_quarantined_release_is_no_target(environment: Environment) -> None:
    quarantine(_release(environment, 2), "bad")
    assert _targets(environment) == [1]


def test_a_rollback_is_a_deploy_at_the_head_of_the_queue_with_the_configuration_of_then(
    environment: Environment,
) -> None:
    deploy = rollbacks.roll_back(environment, _release(environment, 2), ADA, "it loses orders")
    assert (deploy.kind, deploy.status, deploy.asked_by) == (DeployKind.ROLLBACK, Status.QUEUED, ADA)
    assert deploy.release.number == 2
    assert deploy.replaces == _release(environment, 3)
    assert deploy.configuration.values == {"COLOUR": "green"}
    assert deploy.priority > 0
    act = Act.objects.get(verb="asked to roll back")
    assert (act.actor, act.reason, act.facts) == (ADA, "it loses orders", {"to_release": 2})


def test_a_rollback_builds_nothing(environment: Environment) -> None:
    before = (Run.objects.count(), Attempt.objects.count(), Release.objects.count())
    deploy = rollbacks.roll_back(environment, _release(environment, 2), ADA)
    finish_deploy(deploy)
    assert (Run.objects.count(), Attempt.objects.count(), Release.objects.count()) == before
    assert _live(environment) == 2


def _live(environment: Environment) -> int | None:
    current = Environment.objects.get(pk=environment.pk).current
    return current.number if current else None


def test_the_bad_release_is_quarantined_and_is_not_deployed_again(environment: Environment) -> None:
    rollbacks.roll_back(environment, _release(environment, 2), ADA, "it loses orders")
    bad = _release(environment, 3)
    assert bad.quarantined_at is not None
    assert bad.quarantined_because == "it loses orders"


@pytest.mark.parametrize("number", [3, 4], ids=["live", "never here"])
def test_what_is_no_target_is_refused(environment: Environment, number: int) -> None:
    make_release(environment.project)
    with pytest.raises(NotDeployable):
        rollbacks.roll_back(environment, _release(environment, number), ADA)
    assert not environment.deploys.filter(kind=DeployKind.ROLLBACK).exists()
    assert _release(environment, 3).quarantined_at is None


def test_a_second_click_gives_the_same_rollback(environment: Environment) -> None:
    to = _release(environment, 2)
    assert rollbacks.roll_back(environment, to, ADA) == rollbacks.roll_back(environment, to, ADA)
    assert environment.deploys.filter(kind=DeployKind.ROLLBACK).count() == 1


def test_clicking_after_the_rollback_goes_further_back_and_never_forth(environment: Environment) -> None:
    for expected in (2, 1):
        assert _targets(environment)[0] == expected
        finish_deploy(rollbacks.roll_back(environment, _release(environment, expected), ADA))
        assert _live(environment) == expected
    assert _targets(environment) == []


def test_a_page_from_before_the_rollback_cannot_bring_the_bad_release_back(environment: Environment) -> None:
    seen = Environment.objects.get(pk=environment.pk)
    finish_deploy(rollbacks.roll_back(environment, _release(environment, 2), ADA))
    with pytest.raises(NotDeployable):
        rollbacks.roll_back(seen, _release(environment, 3), ADA)
    with pytest.raises(NotDeployable):
        rollbacks.roll_back(seen, _release(environment, 2), ADA)


def test_a_failed_deploy_rolls_itself_back_to_what_was_live(environment: Environment) -> None:
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    undone = Deploy.objects.get(undoes=failed)
    assert (undone.kind, undone.status, undone.release.number) == (DeployKind.ROLLBACK, Status.QUEUED, 3)
    assert undone.configuration.values == {"COLOUR": "blue"}
    assert undone.asked_by == ""
    failed.release.refresh_from_db()
    assert failed.release.quarantined_at is not None
    assert _live(environment) == 3


# When hosts run something else than what is live


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED, Status.ERRORED])
def test_after_a_deploy_that_broke_off_the_way_back_is_to_what_is_live(
    environment: Environment, status: Status
) -> None:
    environment.on_breach = "stop"
    environment.save()
    finish_deploy(make_deploy(environment), status)
    assert _strays(environment) == ["web-1"]
    assert _targets(environment) == [3, 2, 1]
    back = rollbacks.roll_back(environment, _release(environment, 3), ADA)
    assert _quarantined(environment) == [4]
    finish_deploy(back)
    assert back.configuration.values == {"COLOUR": "blue"}
    assert _live(environment) == 3
    assert (_strays(environment), _targets(environment)) == ([], [2, 1])


def test_a_deploy_that_broke_off_before_it_touched_a_host_changes_no_way_back(environment: Environment) -> None:
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1", Status.FAILED, "disk full", phase=Phase.UPLOADING)
    lifecycle.finish_deploy(deploy, Status.FAILED, "disk full")
    assert (_strays(environment), _targets(environment)) == ([], [2, 1])


def test_a_later_deploy_that_touched_nothing_does_not_hide_the_strays_of_an_earlier_one(
    environment: Environment,
) -> None:
    finish_deploy(make_deploy(environment), Status.CANCELLED)
    untouched = begin_deploy(make_deploy(environment))
    lifecycle.finish_deploy(untouched, Status.FAILED, "no host can be reached")
    assert _strays(environment) == ["web-1"]
    rollbacks.roll_back(environment, _release(environment, 3), ADA)
    assert _quarantined(environment) == [4]


def test_a_way_back_that_did_not_reach_every_host_leaves_those_astray(environment: Environment) -> None:
    failed = begin_deploy(make_deploy(environment))
    finish_host(failed, "web-1")
    finish_host(failed, "web-2", Status.FAILED, "500")
    lifecycle.finish_deploy(failed, Status.FAILED, "500")
    half = begin_deploy(Deploy.objects.get(undoes=failed))
    finish_host(half, "web-1")
    finish_host(half, "web-2", Status.FAILED, "no route", phase=Phase.CHECKING)
    lifecycle.finish_deploy(half, Status.FAILED, "no route")
    assert _strays(environment) == ["web-2"]
    assert _targets(environment)[0] == 3
    again = rollbacks.roll_back(environment, _release(environment, 3), ADA)
    assert (again.release.number, _quarantined(environment)) == (3, [4])


def test_a_host_that_is_gone_is_not_astray(environment: Environment) -> None:
    finish_deploy(make_deploy(environment), Status.CANCELLED)
    environment.hosts.filter(name="web-1").update(gone_at=timezone.now())
    assert (_strays(environment), _targets(environment)) == ([], [2, 1])


def test_a_host_that_a_good_deploy_could_leave_behind_does_not_hold_the_way_back_up(environment: Environment) -> None:
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1")
    finish_host(deploy, "web-2", Status.FAILED, "500")
    lifecycle.finish_deploy(deploy, Status.SUCCEEDED)
    assert (_strays(environment), _targets(environment)) == ([], [3, 2, 1])
    environment.refresh_from_db()
    rollbacks.roll_back(environment, _release(environment, 3), ADA)
    assert _quarantined(environment) == [4]


def test_a_bad_release_is_not_gone_back_to_because_the_way_from_it_broke_off(environment: Environment) -> None:
    finish_deploy(rollbacks.roll_back(environment, _release(environment, 2), ADA), Status.FAILED)
    assert _live(environment) == 3
    assert _targets(environment) == [2, 1]
    further = rollbacks.roll_back(environment, _release(environment, 1), ADA)
    assert (further.release.number, _quarantined(environment)) == (1, [2, 3])


def test_the_live_release_that_broke_with_a_new_configuration_is_gone_back_to_and_not_quarantined(
    environment: Environment,
) -> None:
    configure(environment, {"COLOUR": "broken"})
    finish_deploy(make_deploy(environment, _release(environment, 3)), Status.CANCELLED)
    assert _targets(environment)[0] == 3
    back = rollbacks.roll_back(environment, _release(environment, 3), ADA)
    assert (back.configuration.values, _quarantined(environment)) == ({"COLOUR": "blue"}, [])


# While something else decides what will be live


def test_a_rollback_is_refused_while_a_deploy_runs_and_quarantines_nothing(environment: Environment) -> None:
    running = begin_deploy(make_deploy(environment))
    with pytest.raises(UnderWay, match=rf"deploy {running.number} of release 4 is under way: cancel it first"):
        rollbacks.roll_back(environment, _release(environment, 2), ADA)
    assert _quarantined(environment) == []
    requests.cancel(running, ADA)
    finish_host(running, "web-1", Status.CANCELLED)
    lifecycle.finish_deploy(running, Status.CANCELLED)
    rollbacks.roll_back(environment, _release(environment, 3), ADA)
    assert _quarantined(environment) == [4]


def test_a_rollback_is_refused_while_another_waits(environment: Environment) -> None:
    rollbacks.roll_back(environment, _release(environment, 2), ADA)
    with pytest.raises(UnderWay, match="of release 2 is under way"):
        rollbacks.roll_back(environment, _release(environment, 1), ADA)
    assert _quarantined(environment) == [3]


def test_a_deploy_that_only_waits_does_not_hold_a_rollback_up(environment: Environment) -> None:
    waiting = make_deploy(environment)
    back = rollbacks.roll_back(environment, _release(environment, 2), ADA)
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(waiting.pk, OWNER)
    assert finish_deploy(back).status == Status.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_a_rollback_and_a_deploy_that_begins_at_the_same_moment_know_of_each_other() -> None:
    environment = make_environment()
    good = make_live(environment).release
    make_live(environment)
    for _ in range(6):
        waiting = make_deploy(environment)

        def claim_or_roll_back(number: int, waiting: Deploy = waiting) -> int:
            if number:
                return lifecycle.claim_deploy(waiting.pk, OWNER).deploy.pk
            return rollbacks.roll_back(Environment.objects.get(pk=environment.pk), good, ADA).pk

        back, begun = race(2, claim_or_roll_back)
        assert isinstance(back, UnderWay) != isinstance(begun, LostRace)
        if isinstance(back, int):
            return
        lifecycle.finish_deploy(Deploy.objects.select_related("environment").get(pk=waiting.pk), Status.CANCELLED)


def test_a_failed_rollback_is_not_rolled_back(environment: Environment) -> None:
    deploy = rollbacks.roll_back(environment, _release(environment, 2), ADA)
    finish_deploy(deploy, Status.FAILED)
    assert not Deploy.objects.filter(undoes=deploy).exists()


def test_the_first_deploy_ever_has_nothing_to_go_back_to() -> None:
    failed = finish_deploy(make_deploy(make_environment()), Status.FAILED)
    assert not Deploy.objects.filter(undoes=failed).exists()


def test_an_environment_that_does_not_ask_for_it_is_left_as_it_is(environment: Environment) -> None:
    environment.on_breach = "stop"
    environment.save()
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    assert not Deploy.objects.filter(undoes=failed).exists()


def test_a_live_release_that_failed_with_a_new_configuration_gets_its_old_one_and_no_quarantine(
    environment: Environment,
) -> None:
    configure(environment, {"COLOUR": "broken"})
    failed = finish_deploy(make_deploy(environment, _release(environment, 3)), Status.FAILED)
    undone = Deploy.objects.get(undoes=failed)
    assert undone.release.number == 3
    assert undone.configuration.values == {"COLOUR": "blue"}
    assert _release(environment, 3).quarantined_at is None


@pytest.mark.django_db(transaction=True)
def test_people_who_click_at_the_same_moment_ask_for_one_rollback() -> None:
    environment = make_environment()
    good = make_live(environment).release
    make_live(environment)
    results = race(
        5, lambda number: rollbacks.roll_back(Environment.objects.get(pk=environment.pk), good, f"person {number}").pk
    )
    assert len(set(results)) == 1
    assert environment.deploys.filter(kind=DeployKind.ROLLBACK).count() == 1
