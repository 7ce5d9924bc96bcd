"""One button while a deploy runs: it stops, and what was live comes back."""

import pytest

from pipelines.audit.models import Act
from pipelines.deploys import followups, lifecycle, requests, waits
from pipelines.deploys.followups import NoFollowUp
from pipelines.deploys.models import Deploy, DeployKind, Environment, Release, Waits
from pipelines.deploys.requests import NotDeployable
from pipelines.states import leases
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    finish_deploy,
    finish_host,
    make_deploy,
    make_environment,
    make_live,
    make_release,
    make_rollback,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment() -> Environment:
    """Release 1 is live; nothing that fails is rolled back by itself."""
    environment = make_environment(on_breach="stop")
    make_live(environment)
    return environment


@pytest.fixture
def running(environment: Environment) -> Deploy:
    """Release 2 is on web-1, and goes on to web-2."""
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1")
    return deploy


def fresh(deploy: Deploy) -> Deploy:
    return Deploy.objects.get(pk=deploy.pk)


@pytest.mark.parametrize("ends", [Status.CANCELLED, Status.FAILED, Status.ERRORED])
def test_the_way_back_is_written_with_the_end_and_goes_before_all_that_waits(running: Deploy, ends: Status) -> None:
    waiting = make_deploy(running.environment)
    assert followups.abort(running, "ada (#1)", "checkout is down") == running
    assert fresh(running).cancel_requested_at is not None
    assert not Deploy.objects.filter(undoes=running).exists()
    back = lifecycle.finish_deploy(running, ends, "as it came")
    assert back is not None
    assert (back.kind, back.undoes, back.release) == (DeployKind.ROLLBACK, running, running.environment.current)
    assert (back.asked_by, back.why) == ("ada (#1)", "checkout is down")
    assert lifecycle.claim_deploy(back.pk, "worker-2").deploy == back
    running.release.refresh_from_db()
    assert running.release.quarantined_at
    assert fresh(waiting).status == Status.QUEUED
    assert Act.objects.get(verb="stopped, to go back").facts["to_release"] == back.release.number


def test_a_worker_that_takes_over_from_a_dead_one_writes_the_way_back(running: Deploy) -> None:
    followups.abort(running, "ada (#1)")
    Deploy.objects.filter(pk=running.pk).update(lease_until=leases.until(-1))
    claim = lifecycle.claim_deploy(running.pk, "worker-2")
    assert claim.deploy.cancel_requested_at is not None
    assert lifecycle.finish_deploy(claim.deploy, Status.CANCELLED) == Deploy.objects.get(undoes=running)


def test_where_no_host_was_switched_it_is_only_cancelled(environment: Environment) -> None:
    deploy = begin_deploy(make_deploy(environment))
    followups.abort(deploy, "ada (#1)")
    assert lifecycle.finish_deploy(deploy, Status.CANCELLED) is None
    deploy.release.refresh_from_db()
    assert deploy.release.quarantined_at is None


def test_one_that_succeeds_in_that_moment_is_rolled_back_like_any_other(running: Deploy) -> None:
    before = running.environment.current
    followups.abort(running, "ada (#1)")
    finish_host(running, "web-2")
    back = lifecycle.finish_deploy(running, Status.SUCCEEDED)
    assert back is not None
    assert (back.kind, back.undoes, back.release, back.asked_by) == (DeployKind.ROLLBACK, None, before, "ada (#1)")
    assert Environment.objects.get(pk=back.environment_id).current == running.release


def test_a_success_without_a_way_back_stands_and_that_is_written_down(running: Deploy) -> None:
    followups.abort(running, "ada (#1)")
    Release.objects.filter(number=1).update(quarantined_at=running.created_at)
    assert lifecycle.finish_deploy(running, Status.SUCCEEDED) is None
    assert fresh(running).status == Status.SUCCEEDED
    assert Act.objects.get(verb="found no way back").actor == "ada (#1)"


@pytest.mark.parametrize("waits_for", [Waits.BAKE, Waits.PAUSE, Waits.BREACH])
def test_one_that_waits_in_its_middle_goes_back_at_once(running: Deploy, waits_for: Waits) -> None:
    waits.wait(running, waits_for, "it waits")
    back = followups.abort(running, "ada (#1)")
    assert back.undoes == running
    assert fresh(running).status == Status.CANCELLED


def test_one_that_has_not_begun_is_only_cancelled(environment: Environment) -> None:
    deploy = make_deploy(environment)
    assert followups.abort(deploy, "ada (#1)") == deploy
    assert fresh(deploy).status == Status.CANCELLED
    assert not Deploy.objects.filter(kind=DeployKind.ROLLBACK).exists()


def test_a_click_that_comes_after_the_end_goes_back_all_the_same(running: Deploy) -> None:
    before = running.environment.current
    finish_host(running, "web-2")
    lifecycle.finish_deploy(running, Status.SUCCEEDED)
    assert followups.abort(running, "ada (#1)").release == before
    other = make_environment(on_breach="stop")
    make_live(other)
    stopped = finish_deploy(make_deploy(other), Status.CANCELLED)
    back = followups.abort(stopped, "ada (#1)")
    assert back.undoes == stopped
    assert followups.abort(stopped, "eve (#2)") == back


def test_a_click_that_comes_when_another_release_is_live_already_takes_nothing_back(environment: Environment) -> None:
    ended = make_live(environment)
    make_live(environment)
    with pytest.raises(NoFollowUp, match="not what is live any more"):
        followups.abort(ended, "ada (#1)")


def test_two_clicks_and_a_cancel_before_them_go_back_once(running: Deploy) -> None:
    requests.cancel(running, "bob (#3)")
    asked_at = fresh(running).cancel_requested_at
    for actor in ("ada (#1)", "eve (#2)"):
        followups.abort(running, actor)
    assert (fresh(running).goes_back_for, fresh(running).cancel_requested_at) == ("ada (#1)", asked_at)
    assert lifecycle.finish_deploy(running, Status.CANCELLED)


def test_a_way_back_a_repair_and_a_first_deploy_are_cancelled_instead(environment: Environment) -> None:
    live = environment.current
    assert live is not None
    make_live(environment)
    first = make_deploy(make_environment())
    repair = make_deploy(environment, live, kind=DeployKind.REPAIR)
    for deploy in (make_rollback(environment, live), repair, first):
        with pytest.raises(NoFollowUp, match="cancel it"):
            followups.abort(deploy, "ada (#1)")


def test_an_older_release_that_was_deployed_twice_has_no_way_back_to_itself(environment: Environment) -> None:
    again = make_live(environment, environment.current)
    with pytest.raises(NotDeployable):
        followups.abort(again, "ada (#1)")


def test_one_whose_hosts_are_asked_about_as_it_is_cancelled_ends(environment: Environment) -> None:
    deploy = lifecycle.claim_deploy(make_deploy(environment, make_release(environment.project)).pk, "worker-1").deploy
    followups.abort(deploy, "ada (#1)")
    waits.put_back(deploy, Waits.HOSTS, "2 hosts are missing")
    assert (fresh(deploy).status, fresh(deploy).waits_for) == (Status.CANCELLED, "")
    assert fresh(deploy).log.closed_at is not None
