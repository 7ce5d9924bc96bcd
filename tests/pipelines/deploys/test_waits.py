"""Deploys that wait hold no worker, but for the time in their middle their environment; and how they go on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, requests, waits
from pipelines.deploys.models import Deploy, Environment, Waits
from pipelines.deploys.waits import NotWaiting
from pipelines.errors import LostRace
from pipelines.states import leases
from pipelines.states.leases import LostLease
from pipelines.states.status import Status
from tests.factories import OWNER, begin_deploy, make_deploy, make_environment, make_live

pytestmark = pytest.mark.django_db


def stored(deploy: Deploy) -> Deploy:
    return Deploy.objects.get(pk=deploy.pk)


def waiting(waits_for: Waits = Waits.BAKE, seconds: float | None = 60, **fields: Any) -> Deploy:
    """A deploy that waits in its middle, until so many seconds from now."""
    deploy = begin_deploy(make_deploy(make_environment(**fields)))
    until = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    assert waits.wait(deploy, waits_for, "wave 1 bakes", until)
    return deploy


def test_what_waits_in_its_middle_has_no_owner_and_keeps_its_environment() -> None:
    deploy = waiting()
    assert (stored(deploy).status, stored(deploy).owner, stored(deploy).lease_until) == (Status.BLOCKED, "", None)
    with pytest.raises(LostRace, match="goes first"):
        lifecycle.claim_deploy(make_deploy(deploy.environment).pk, OWNER)
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(deploy.pk, OWNER)


def test_who_let_it_wait_may_write_no_more() -> None:
    deploy = waiting()
    writes: list[Callable[[], object]] = [lambda: lifecycle.renew(deploy), lambda: lifecycle.note_migrated(deploy)]
    for write in writes:
        with pytest.raises(LostLease):
            write()


def test_it_goes_on_when_its_time_has_come_and_began_when_it_began() -> None:
    deploy = waiting(seconds=60)
    began_at = stored(deploy).started_at
    waits.wake()
    assert stored(deploy).status == Status.BLOCKED
    Deploy.objects.filter(pk=deploy.pk).update(waits_until=timezone.now() - timedelta(seconds=1))
    assert waits.due() == [deploy.pk]
    waits.wake()
    waits.wake()
    assert (stored(deploy).status, stored(deploy).waits_for, stored(deploy).waits_until) == (Status.QUEUED, "", None)
    claim = lifecycle.claim_deploy(deploy.pk, "worker-2")
    assert claim.resumed
    assert claim.deploy.fence > deploy.fence
    assert (stored(deploy).started_at, stored(deploy).deaths) == (began_at, 0)


def test_what_has_begun_goes_before_a_rollback_that_waits_for_its_turn() -> None:
    deploy = waiting(Waits.PAUSE, None)
    waits.go_on(deploy, "ada (#1)")
    other = make_deploy(deploy.environment, priority=20)
    with pytest.raises(LostRace, match="goes first"):
        lifecycle.claim_deploy(other.pk, OWNER)
    assert lifecycle.claim_deploy(deploy.pk, OWNER)


def test_what_was_put_back_is_as_if_it_had_never_begun() -> None:
    deploy = lifecycle.claim_deploy(make_deploy(make_environment()).pk, OWNER).deploy
    waits.put_back(deploy, Waits.HOSTS, "hosts are missing")
    assert (stored(deploy).status, stored(deploy).started_at) == (Status.BLOCKED, None)
    other = make_deploy(deploy.environment)
    assert lifecycle.claim_deploy(other.pk, OWNER).deploy == other


@pytest.mark.parametrize(
    ("waits_for", "changes"),
    [(Waits.BAKE, {"baked_waves": 1}), (Waits.PAUSE, {"pause_requested_at": None})],
)
def test_a_persons_yes_takes_what_is_left_as_good_and_is_recorded(waits_for: Waits, changes: dict[str, Any]) -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    waits.pause(deploy, "ada (#1)")
    waits.wait(deploy, waits_for, "", None)
    waits.go_on(deploy, "ada (#1)")
    now = stored(deploy)
    assert {name: getattr(now, name) for name in changes} == changes
    assert Act.objects.filter(actor="ada (#1)", verb="told to go on").count() == 1


def test_time_alone_takes_nothing_as_good() -> None:
    deploy = waiting(seconds=-1)
    waits.wake()
    assert stored(deploy).baked_waves == 0


@pytest.mark.parametrize("state", ["breach", "unbegun", "running"])
def test_what_does_not_wait_to_go_on_is_not_let_go(state: str) -> None:
    if state == "breach":
        deploy = waiting(Waits.BREACH, None)
    else:
        deploy = make_deploy(make_environment())
        if state == "running":
            begin_deploy(deploy)
    before = stored(deploy).status
    with pytest.raises(NotWaiting):
        waits.go_on(deploy, "ada (#1)")
    assert stored(deploy).status == before


def test_a_pause_is_asked_for_once_and_only_of_what_has_begun() -> None:
    unbegun = make_deploy(make_environment())
    waits.pause(unbegun, "ada (#1)")
    assert stored(unbegun).pause_requested_at is None
    begun = begin_deploy(make_deploy(make_environment()))
    waits.pause(begun, "ada (#1)")
    waits.pause(begun, "ada (#1)")
    assert stored(begun).pause_requested_at is not None
    assert Act.objects.filter(verb="paused").count() == 1


def test_what_was_cancelled_a_moment_ago_is_not_let_wait() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    requests.cancel(deploy, "ada (#1)")
    assert not waits.wait(deploy, Waits.BAKE, "", timezone.now())
    assert stored(deploy).status == Status.RUNNING
    lifecycle.renew(deploy)


def test_a_cancelled_wait_ends_its_hosts_and_frees_the_environment() -> None:
    deploy = waiting(Waits.PAUSE, None)
    requests.cancel(deploy, "ada (#1)")
    assert stored(deploy).status == Status.CANCELLED
    assert "the state of every host is known" in stored(deploy).reason
    assert set(deploy.hosts.values_list("status", flat=True)) == {Status.SKIPPED}
    assert stored(deploy).log.closed_at is not None
    other = make_deploy(deploy.environment)
    assert lifecycle.claim_deploy(other.pk, OWNER).deploy == other


def test_a_dead_worker_is_counted_and_one_that_let_it_wait_is_not() -> None:
    deploy = waiting(seconds=-1)
    waits.wake()
    taken = lifecycle.claim_deploy(deploy.pk, OWNER).deploy
    assert taken.deaths == 0
    Deploy.objects.filter(pk=deploy.pk).update(lease_until=leases.until(-1))
    assert lifecycle.claim_deploy(deploy.pk, "worker-3").deploy.deaths == 1


def test_the_hosts_that_a_person_was_shown_are_accepted_and_no_others() -> None:
    shown = begin_deploy(make_deploy(make_environment()))
    waits.put_back(shown, Waits.HOSTS, "hosts are missing", plan="of two hosts")
    Deploy.objects.filter(pk=shown.pk).update(plan="of one host")  # it was asked for again meanwhile
    with pytest.raises(NotWaiting, match="has changed since you looked"):
        waits.accept_hosts(shown, "ada (#1)", "of two hosts")
    assert stored(shown).status == Status.BLOCKED


def test_hosts_are_accepted_only_by_a_deploy_that_asks_about_them() -> None:
    live = make_live(make_environment())
    with pytest.raises(NotWaiting):
        waits.accept_hosts(live, "ada (#1)", live.plan)
    asks = lifecycle.claim_deploy(make_deploy(live.environment).pk, OWNER).deploy
    waits.put_back(asks, Waits.HOSTS, "hosts are missing", plan="of one host")
    waits.accept_hosts(asks, "ada (#1)", asks.plan)
    assert (stored(asks).status, stored(asks).accepted_hosts) == (Status.QUEUED, "of one host")
    assert Environment.objects.get(pk=live.environment_id).current == live.release


@pytest.mark.parametrize("waits_for", [Waits.PAUSE, Waits.BAKE])
def test_a_yes_to_one_wait_does_not_end_the_next(waits_for: Waits) -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    waits.pause(deploy, "ada (#1)")
    waits.wait(deploy, waits_for, "")
    seen = waits.stretch_of(stored(deploy))
    waits.go_on(deploy, "ada (#1)", seen)
    again = lifecycle.claim_deploy(deploy.pk, OWNER).deploy
    waits.pause(again, "ada (#1)")
    waits.wait(again, waits_for, "")
    for wait in (waits_for, Waits.WATCH):
        Deploy.objects.filter(pk=deploy.pk).update(waits_for=wait)
        with pytest.raises(NotWaiting, match="look again"):
            waits.go_on(deploy, "bob (#2)", seen)
    assert stored(deploy).status == Status.BLOCKED
