"""No user notices a deploy: 200 requests a second at a real HAProxy before real programs, and not one of them fails."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipelines.deploys import credentials, flips, requests
from pipelines.deploys.models import Deploy, Environment, Release
from pipelines.deploys.rollbacks import roll_back
from pipelines.errors import LostRace
from pipelines.states import leases
from pipelines.states.status import Status
from runners.balancers.balancer import Server
from runners.balancers.sources import open_balancer
from runners.hosts.balanced import Balanced
from tests import factories
from tests.lab.load import Seen, users
from tests.lab.pace import slowness
from tests.lab.patience import until
from tests.lab.shopkeeper import BLUE_GREEN, bring, make_release, open_environment, perform, text_of, went_well
from tests.lab.storefront import Storefront, end_program, spec_of, storefront

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def groups() -> Sequence[str]:
    return ("", "", "")


@pytest.fixture
def shop(tmp_path: Path, groups: Sequence[str]) -> Iterator[Storefront]:
    pair = credentials.generate("tests")
    with storefront(tmp_path, private_key=pair.private, public_key=pair.public, groups=groups) as opened:
        yield opened


@pytest.fixture
def environment(shop: Storefront) -> Environment:
    return open_environment(shop)


def assert_nobody_noticed(seen: Seen, *releases: Release) -> None:
    """Not one request failed, and all were answered by these releases, each of which was met."""
    assert seen.failures == []
    assert set(seen.bodies) == {str(release.number) for release in releases}
    assert seen.requests > 200


def test_a_rolling_deploy_fails_no_request(environment: Environment, shop: Storefront) -> None:
    old, new = make_release(environment), make_release(environment)
    went_well(bring(environment, old))
    with users(shop.proxy.url) as seen:
        deploy = went_well(bring(environment, new))
        time.sleep(0.5)
    assert_nobody_noticed(seen, old, new)
    text = text_of(deploy)
    assert "$ haproxy: set server shop/web-2 state drain" in text
    assert "0 connections open after" in text
    assert "$ haproxy: set server shop/web-2 state ready" in text


def test_a_deploy_to_all_hosts_at_once_leaves_one_to_serve(environment: Environment, shop: Storefront) -> None:
    at_once = {"waves": ["rest"], "parallel": 10, "max_failures": 0}
    old, new = (make_release(environment, spec_of(strategy=at_once)) for _ in range(2))
    went_well(bring(environment, old))
    with users(shop.proxy.url) as seen:
        deploy = went_well(bring(environment, new))
        time.sleep(0.5)
    assert_nobody_noticed(seen, old, new)
    assert "waits: nobody else gets requests from haproxy backend shop now" in text_of(deploy)


def test_a_failed_deploy_and_its_automatic_rollback_fail_no_request(environment: Environment, shop: Storefront) -> None:
    good, bad = make_release(environment), make_release(environment, broken=True)
    went_well(bring(environment, good))
    with users(shop.proxy.url) as seen:
        failed = bring(environment, bad)
        assert failed.status == Status.FAILED
        assert not is_serving(shop, "web-1")
        back = went_well(perform(Deploy.objects.get(undoes=failed)))
        time.sleep(0.5)
    assert_nobody_noticed(seen, good)
    assert "web-1 stays out of haproxy backend shop" in text_of(failed)
    assert is_serving(shop, "web-1"), text_of(back)


def is_serving(shop: Storefront, name: str) -> bool:
    balancer = open_balancer("haproxy", shop.proxy.settings())
    assert balancer is not None
    return balancer.state(Server(name, "")).serving is True


@pytest.mark.alone
@pytest.mark.parametrize("groups", [("blue", "blue", "green", "green")])
def test_blue_green_turns_all_traffic_at_once_and_back_in_less_than_two_seconds(
    environment: Environment, shop: Storefront
) -> None:
    Environment.objects.filter(pk=environment.pk).update(strategy=BLUE_GREEN)
    old, new = make_release(environment), make_release(environment)
    first = went_well(bring(environment, old))
    assert first.environment.live_group == "blue"
    with users(shop.proxy.url) as seen:
        deploy = went_well(bring(environment, new))
        assert (deploy.group, deploy.environment.live_group) == ("green", "green")
        time.sleep(0.5)
        back = went_well(perform(roll_back(deploy.environment, old, "ada (#1)")))
        time.sleep(0.5)
    assert_nobody_noticed(seen, old, new)
    assert (back.flips, back.environment.live_group, back.environment.current) == (True, "blue", old)
    turned = re.search(r"blue has the traffic, after ([0-9.]+) s", text_of(back))
    assert turned is not None
    assert float(turned[1]) < 2 * slowness()
    assert "upload" not in text_of(back)
    assert {row.host.name for row in deploy.hosts.select_related("host")} == {"web-3", "web-4"}


@pytest.mark.parametrize("groups", [("blue", "green")])
def test_a_release_that_is_deployed_and_not_yet_promoted_meets_no_user(
    environment: Environment, shop: Storefront
) -> None:
    Environment.objects.filter(pk=environment.pk).update(strategy=BLUE_GREEN)
    old, bad = make_release(environment), make_release(environment, broken=True)
    went_well(bring(environment, old))
    with users(shop.proxy.url) as seen:
        failed = bring(environment, bad)
        time.sleep(0.5)
    assert failed.status == Status.FAILED
    assert_nobody_noticed(seen, old)
    assert not Deploy.objects.filter(undoes=failed).exists()
    bad.refresh_from_db()
    assert bad.quarantined_at
    assert (failed.environment.live_group, failed.environment.current) == ("blue", old)


@pytest.mark.parametrize("groups", [("", "")])
def test_a_rollback_comes_first_to_a_host_on_which_the_new_release_has_died(
    environment: Environment, shop: Storefront
) -> None:
    old, new = make_release(environment), make_release(environment)
    went_well(bring(environment, old))
    environment = went_well(bring(environment, new)).environment
    end_program(shop.hosts[1])
    until("HAProxy finds it down", lambda: not is_serving(shop, "web-2"))
    back = went_well(perform(roll_back(environment, old, "ada (#1)")))
    assert list(back.hosts.order_by("wave").values_list("host__name", flat=True)) == ["web-2", "web-1"]
    assert is_serving(shop, "web-1")
    assert is_serving(shop, "web-2")


@pytest.mark.parametrize("groups", [("", "")])
def test_of_one_wave_whoever_gets_no_requests_is_changed_first(environment: Environment, shop: Storefront) -> None:
    one_by_one = {"waves": ["rest"], "parallel": 1, "max_failures": 0}
    old, new = (make_release(environment, spec_of(strategy=one_by_one)) for _ in range(2))
    went_well(bring(environment, old))
    end_program(shop.hosts[1])
    until("HAProxy finds it down", lambda: not is_serving(shop, "web-2"))
    went_well(bring(environment, new))
    assert is_serving(shop, "web-1")


@pytest.mark.parametrize("groups", [("",)])
def test_a_balancer_that_does_not_know_a_host_is_told_before_the_migration(
    environment: Environment, shop: Storefront
) -> None:
    settings = shop.proxy.settings(server="{host}.example")
    Environment.objects.filter(pk=environment.pk).update(balancer=settings)
    failed = bring(environment, make_release(environment, spec_of(migrate="touch /srv/migrated")))
    assert failed.status == Status.FAILED
    assert "no server shop/web-1.example" in failed.reason
    assert not (shop.hosts[0].root / "migrated").exists()


@pytest.mark.parametrize("groups", [("", "")])
def test_a_host_whose_hook_fails_after_it_has_its_users_again_is_not_said_to_be_out(
    environment: Environment, shop: Storefront
) -> None:
    failed = bring(environment, make_release(environment, spec_of(hooks={"after": [{"run": "false"}]})))
    assert failed.status == Status.FAILED
    assert "after-1 ended with status 1" in failed.reason
    assert "stays out" not in text_of(failed)
    assert is_serving(shop, "web-1")


def abandon(deploy: Deploy) -> None:
    """A worker begins it and is gone; its lease is over."""
    with pytest.raises(LostRace, match="gone"):
        perform(deploy)
    assert Deploy.objects.filter(pk=deploy.pk, status=Status.RUNNING).update(lease_until=leases.until(-1)) == 1


@pytest.mark.parametrize("groups", [("blue", "green")])
def test_a_worker_that_dies_while_it_turns_the_traffic_is_taken_over(
    environment: Environment, shop: Storefront, monkeypatch: pytest.MonkeyPatch
) -> None:
    Environment.objects.filter(pk=environment.pk).update(strategy=BLUE_GREEN)
    old, new = make_release(environment), make_release(environment)
    environment = went_well(bring(environment, old)).environment
    deploy, note = factories.make_deploy(environment, new), flips.note_turning

    def die(turned: Deploy, how_far: str) -> None:
        if how_far == "done":
            raise LostRace("gone")
        note(turned, how_far)

    with users(shop.proxy.url) as seen:
        with monkeypatch.context() as patch:
            patch.setattr(flips, "note_turning", die)
            abandon(deploy)
        went_well(perform(deploy))
        time.sleep(0.5)
    assert_nobody_noticed(seen, old, new)
    assert deploy.environment.live_group == "green"


@pytest.mark.parametrize("groups", [("blue", "green")])
def test_a_deploy_that_is_cancelled_before_the_turn_is_not_live(
    environment: Environment, shop: Storefront, monkeypatch: pytest.MonkeyPatch
) -> None:
    Environment.objects.filter(pk=environment.pk).update(strategy=BLUE_GREEN)
    old, new = make_release(environment), make_release(environment)
    environment = went_well(bring(environment, old)).environment
    deploy = factories.make_deploy(environment, new)

    def die(*_: object) -> None:
        raise LostRace("gone")

    with monkeypatch.context() as patch:
        patch.setattr(flips, "note_turning", die)
        abandon(deploy)
    requests.cancel(deploy, "ada (#1)")
    deploy = perform(deploy)
    assert deploy.status == Status.CANCELLED, text_of(deploy)
    assert "the traffic was not turned to green" in deploy.reason
    assert (deploy.environment.live_group, deploy.environment.current) == ("blue", old)
    assert is_serving(shop, "web-1")


@pytest.mark.parametrize("groups", [("blue", "green")])
def test_after_a_deploy_that_was_cancelled_in_its_watch_no_user_notices_the_next(
    environment: Environment, shop: Storefront
) -> None:
    Environment.objects.filter(pk=environment.pk).update(strategy=BLUE_GREEN)
    old, middle, new = (make_release(environment) for _ in range(3))
    environment = went_well(bring(environment, old)).environment
    alarm = {"name": "up", "kind": "command", "settings": {"command": "true"}, "cause": "down", "action": "undo"}
    environment.alarms.create(**alarm)
    Environment.objects.filter(pk=environment.pk).update(watch_seconds=600)
    watched = bring(environment, middle)
    requests.cancel(watched, "ada (#1)")
    environment.refresh_from_db()
    assert (environment.live_group, environment.current) == ("green", old)
    Environment.objects.filter(pk=environment.pk).update(watch_seconds=0)
    with users(shop.proxy.url) as seen:
        deploy = went_well(bring(environment, new))
        time.sleep(0.5)
    assert_nobody_noticed(seen, middle, new)
    assert deploy.group == "blue"


def test_a_worker_that_dies_while_a_host_drains_is_taken_over(
    environment: Environment, shop: Storefront, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_release(environment), make_release(environment)
    environment = went_well(bring(environment, old)).environment
    deploy = factories.make_deploy(environment, new)

    def die(*_: object) -> None:
        raise LostRace("gone")

    with users(shop.proxy.url) as seen:
        with monkeypatch.context() as patch:
            patch.setattr(Balanced, "_await_gone", die)
            abandon(deploy)
        assert not is_serving(shop, "web-1")
        went_well(perform(deploy))
        time.sleep(0.5)
    assert_nobody_noticed(seen, old, new)
    assert is_serving(shop, "web-1")
