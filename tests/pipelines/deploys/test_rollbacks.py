"""Back to an earlier release: which, how often, and with what."""

import pytest

from pipelines.audit.models import Act
from pipelines.deploys import rollbacks
from pipelines.deploys.models import Deploy, DeployKind, Environment, Release
from pipelines.deploys.releases import quarantine
from pipelines.deploys.requests import NotDeployable
from pipelines.runs.models import Attempt, Run
from pipelines.states.status import Status
from tests.factories import configure, finish_deploy, make_deploy, make_environment, make_live, make_release
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
    return [release.number for release in rollbacks.targets(environment)]


def test_the_targets_are_what_ran_well_before_the_newest_first(environment: Environment) -> None:
    assert _targets(environment) == [2, 1]


def test_what_failed_here_or_never_came_here_is_no_target(environment: Environment) -> None:
    environment.rolls_back = False
    environment.save()
    finish_deploy(make_deploy(environment), Status.FAILED)
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
        target = rollbacks.targets(Environment.objects.get(pk=environment.pk))[0]
        assert target.number == expected
        finish_deploy(rollbacks.roll_back(environment, target, ADA))
        assert _live(environment) == expected
    assert not rollbacks.targets(Environment.objects.get(pk=environment.pk)).exists()


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


def test_a_failed_rollback_is_not_rolled_back(environment: Environment) -> None:
    deploy = rollbacks.roll_back(environment, _release(environment, 2), ADA)
    finish_deploy(deploy, Status.FAILED)
    assert not Deploy.objects.filter(undoes=deploy).exists()


def test_the_first_deploy_ever_has_nothing_to_go_back_to() -> None:
    failed = finish_deploy(make_deploy(make_environment()), Status.FAILED)
    assert not Deploy.objects.filter(undoes=failed).exists()


def test_an_environment_that_does_not_ask_for_it_is_left_as_it_is(environment: Environment) -> None:
    environment.rolls_back = False
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
