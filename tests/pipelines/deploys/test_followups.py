"""What a person does with a deploy that went wrong halfway."""

from typing import Any

import pytest

from pipelines.audit.models import Act
from pipelines.deploys import followups, lifecycle, queue, releases, requests, rollbacks, waits
from pipelines.deploys.followups import NoFollowUp
from pipelines.deploys.models import Deploy, DeployKind, Environment, Waits
from pipelines.errors import LostRace
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
)

pytestmark = pytest.mark.django_db


def asking(environment: Environment | None = None) -> Deploy:
    """The first host is over, the second failed, and a person is asked."""
    environment = environment or make_environment(on_breach="ask", hosts=("web-1", "web-2", "web-3"))
    if environment.current is None:
        make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1")
    finish_host(deploy, "web-2", Status.FAILED, "500")
    lifecycle.note_migrated(deploy)
    assert waits.wait(deploy, Waits.BREACH, "web-2 failed")
    return Deploy.objects.get(pk=deploy.pk)


def test_finishing_forward_goes_to_the_hosts_that_are_not_done_with_the_same_configuration() -> None:
    deploy = asking()
    configure(deploy.environment, {"A": "later"})
    following = followups.finish_forward(deploy, "ada (#1)", "mended")
    ended = Deploy.objects.get(pk=deploy.pk)
    assert (ended.status, ended.reason) == (Status.FAILED, "web-2 failed; finished forward by ada (#1)")
    assert ended.hosts.get(host__name="web-3").status == Status.SKIPPED
    assert ended.log.closed_at is not None
    assert (following.only, following.continues, following.priority) == (["web-2", "web-3"], deploy, 20)
    assert (following.release, following.configuration) == (deploy.release, deploy.configuration)
    assert following.migrated_at == deploy.migrated_at
    assert deploy.release.quarantined_at is None
    assert Act.objects.get(verb="finished forward").facts["hosts"] == ["web-2", "web-3"]


def test_bringing_back_goes_to_the_hosts_that_were_switched_and_quarantines() -> None:
    deploy = asking()
    back = followups.bring_back(deploy, "ada (#1)", "not today")
    deploy.environment.refresh_from_db()
    assert (back.kind, back.undoes, back.release) == (DeployKind.ROLLBACK, deploy, deploy.environment.current)
    assert Act.objects.get(verb="brought back").facts["hosts"] == ["web-2", "web-1"]
    deploy.release.refresh_from_db()
    assert deploy.release.quarantined_at


def test_what_follows_goes_before_all_that_waits() -> None:
    deploy = asking()
    waiting = make_deploy(deploy.environment)
    following = followups.finish_forward(deploy, "ada (#1)")
    with pytest.raises(LostRace, match="goes first"):
        lifecycle.claim_deploy(waiting.pk, OWNER)
    assert lifecycle.claim_deploy(following.pk, OWNER)


@pytest.mark.parametrize("verb", [followups.finish_forward, followups.bring_back])
def test_only_one_thing_follows_on_a_deploy(verb: object) -> None:
    deploy = asking()
    assert callable(verb)
    verb(deploy, "ada (#1)")
    for other in (followups.finish_forward, followups.bring_back):
        with pytest.raises(NoFollowUp, match="has followed"):
            other(deploy, "eve (#2)")


def test_a_deploy_that_ended_badly_is_followed_up_as_well() -> None:
    environment = make_environment(on_breach="stop")
    make_live(environment)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    assert followups.finish_forward(failed, "ada (#1)").only == ["web-1", "web-2"]
    failed = finish_deploy(Deploy.objects.get(continues=failed), Status.FAILED)
    assert followups.bring_back(failed, "ada (#1)").undoes == failed


def test_a_cancelled_one_is_followed_up_too() -> None:
    deploy = begin_deploy(make_deploy(make_live(make_environment()).environment))
    finish_host(deploy, "web-1")
    waits.wait(deploy, Waits.PAUSE, "paused")
    requests.cancel(deploy, "ada (#1)")
    assert followups.finish_forward(Deploy.objects.get(pk=deploy.pk), "ada (#1)").only == ["web-2"]


def test_nothing_follows_on_what_went_well_or_runs_or_was_overtaken_or_repaired() -> None:
    environment = make_environment(on_breach="stop")
    good = make_live(environment)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    repaired = finish_deploy(make_deploy(environment, good.release, kind=DeployKind.REPAIR), Status.FAILED)
    running = begin_deploy(make_deploy(environment))
    for deploy in (good, failed, repaired, running, make_deploy(environment)):
        with pytest.raises(NoFollowUp):
            followups.finish_forward(deploy, "ada (#1)")
        with pytest.raises(NoFollowUp):
            followups.bring_back(deploy, "ada (#1)")


def test_nothing_is_brought_back_where_nothing_ran_before() -> None:
    environment = make_environment(on_breach="stop")
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    with pytest.raises(NoFollowUp, match="nothing has run well"):
        followups.bring_back(failed, "ada (#1)")
    assert followups.finish_forward(failed, "ada (#1)")


def test_a_deploy_that_bakes_can_be_brought_back_but_goes_forward_by_itself() -> None:
    deploy = begin_deploy(make_deploy(make_live(make_environment()).environment))
    finish_host(deploy, "web-1")
    waits.wait(deploy, Waits.BAKE, "wave 1 bakes")
    with pytest.raises(NoFollowUp):
        followups.finish_forward(deploy, "ada (#1)")
    followups.bring_back(deploy, "ada (#1)")
    assert Deploy.objects.get(pk=deploy.pk).reason == "brought back by ada (#1)"


def test_a_quarantined_release_is_not_finished_forward_and_what_was_to_be_is_cancelled() -> None:
    environment = make_environment(on_breach="stop")
    make_live(environment)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    following = followups.finish_forward(failed, "ada (#1)")
    releases.quarantine(failed.release, "it loses orders")
    queue.settle(environment.pk)
    following.refresh_from_db()
    assert following.status == Status.CANCELLED
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    releases.quarantine(failed.release, "it loses orders")
    with pytest.raises(NoFollowUp, match="is quarantined: it loses orders"):
        followups.finish_forward(failed, "ada (#1)")
    assert followups.bring_back(failed, "ada (#1)")


def test_what_has_switched_no_host_is_asked_for_again_instead_of_finished() -> None:
    deploy = begin_deploy(make_deploy(make_live(make_environment()).environment))
    lifecycle.finish_deploy(deploy, Status.CANCELLED, "cancelled")
    with pytest.raises(NoFollowUp, match="it has switched no host: ask for another one"):
        followups.finish_forward(deploy, "ada (#1)")


def test_a_rollback_is_not_brought_back_and_quarantines_nothing() -> None:
    environment = make_environment()
    good = make_live(environment).release
    make_live(environment)
    back = begin_deploy(rollbacks.roll_back(environment, good, "ada (#1)"))
    finish_host(back, "web-1")
    waits.wait(back, Waits.PAUSE, "paused")
    with pytest.raises(NoFollowUp, match="a rollback itself"):
        followups.bring_back(back, "ada (#1)")
    good.refresh_from_db()
    assert good.quarantined_at is None


def false_alarm(**fields: Any) -> Deploy:
    """Every host is over, an alarm has gone off, and a person is asked."""
    environment = make_environment(on_breach="ask", **fields)
    make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    for name in ("web-1", "web-2"):
        finish_host(deploy, name)
    assert waits.wait(deploy, Waits.BREACH, "alarm smoke went off")
    return Deploy.objects.get(pk=deploy.pk)


def test_what_has_nothing_left_to_bring_is_taken_as_good_by_a_person() -> None:
    deploy = false_alarm()
    assert followups.finish_forward(deploy, "ada (#1)", "the alarm was wrong") == deploy
    stored = Deploy.objects.get(pk=deploy.pk)
    assert (stored.status, stored.waits_for, stored.watched_until) == (Status.QUEUED, "", stored.started_at)
    act = Act.objects.get(verb="took as good")
    assert (act.actor, act.facts["stopped_for"]) == ("ada (#1)", "alarm smoke went off")


def test_traffic_that_could_not_be_turned_is_turned_before_anything_is_taken_as_good() -> None:
    deploy = false_alarm(strategy={"kind": "blue_green", "waves": ["rest"], "parallel": 10, "max_failures": 0})
    followups.finish_forward(deploy, "ada (#1)")
    assert Deploy.objects.get(pk=deploy.pk).watched_until is None
