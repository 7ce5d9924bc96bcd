"""New machines come in and old ones go, through the cloud's API, and no user notices."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from pipelines.deploys import credentials, rollbacks, waits
from pipelines.deploys.models import Credential, Deploy, DeployKind, Environment, HostKeyPolicy, Waits
from pipelines.deploys.rollbacks import strays
from pipelines.states.status import Status
from runners.hosts.verdicts import Verdict
from runners.hosts.watching import Watch
from tests import factories
from tests.lab.cloud import ACCESS_KEY, SECRET_KEY, Cloud, cloud
from tests.lab.haproxy import Proxy, haproxy
from tests.lab.hypervisor import Hypervisor, hypervisor
from tests.lab.load import users
from tests.lab.shopkeeper import bring, make_release, perform, text_of, went_well
from tests.lab.sshd import Sshd, free_port
from tests.lab.storefront import end_program, spec_of

pytestmark = pytest.mark.django_db(transaction=True)

REPLACE = {"kind": "replace", "waves": ["rest"], "parallel": 10, "max_failures": 0}
WAVES = {"waves": ["rest"], "parallel": 10, "max_failures": 0}


@dataclass(frozen=True, slots=True)
class Estate:
    """Machines of a cloud behind HAProxy, which lets in those that it is told of."""

    cloud: Cloud
    machines: Hypervisor
    proxy: Proxy
    environment: Environment

    def names(self) -> list[str]:
        return sorted(self.environment.hosts.filter(gone_at=None).values_list("name", flat=True))

    def running(self) -> int:
        return sum(machine.process.poll() is None for machine in self.machines.machines.values())


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    pair, ssh_port, port = credentials.generate("tests"), free_port("127.0.0.1"), free_port("127.0.0.1")

    def furnish(machine: Sshd) -> None:
        (machine.root / "address").write_text(f"{machine.address.host} {port}\n")

    with cloud("127.0.77.0/24") as api:
        for number in (1, 2):
            api.start(f"127.0.77.{number + 9}", {"Name": f"web-{number}", "env": "prod"})
        keys = {"private_key": pair.private, "public_key": pair.public}
        with hypervisor(api, tmp_path / "machines", ssh_port, on_start=furnish, **keys) as machines:
            with haproxy(tmp_path / "haproxy", {}) as proxy:
                yield Estate(api, machines, proxy, _environment(api, proxy, ssh_port, port, pair.private))
            for machine in machines.machines.values():
                end_program(machine)


def _environment(api: Cloud, proxy: Proxy, ssh_port: int, port: int, private_key: str) -> Environment:
    return factories.make_environment(
        inventory_kind="aws",
        inventory={"region": api.region, "tags": {"env": "prod"}, "endpoint_url": api.url},
        inventory_secret=f"{ACCESS_KEY}:{SECRET_KEY}",
        ssh_user="root",
        ssh_port=ssh_port,
        credential=Credential.objects.create(name=factories.unique("key"), private_key=private_key),
        host_key_policy=HostKeyPolicy.FIRST_USE,
        balancer_kind="haproxy",
        balancer=proxy.settings(new_server={"port": port, "options": "check inter 200ms rise 1 fall 2"}),
    )


def test_new_machines_come_in_and_the_old_ones_go_and_no_request_fails(estate: Estate) -> None:
    old, new = make_release(estate.environment, spec_of(strategy=WAVES)), make_release(estate.environment, spec_of())
    went_well(bring(estate.environment, old))
    Environment.objects.filter(pk=estate.environment.pk).update(strategy=REPLACE)
    with users(estate.proxy.url) as seen:
        deploy = went_well(bring(estate.environment, new))
        time.sleep(0.5)
    assert seen.failures == []
    assert set(seen.bodies) == {str(old.number), str(new.number)}
    assert estate.names() == [f"web-1-d{deploy.number}", f"web-2-d{deploy.number}"]
    assert "ended for good: web-1, web-2" in text_of(deploy)
    estate.machines.follow()
    assert (len(estate.machines.machines), estate.running()) == (4, 2)
    assert deploy.environment.current == new


def test_new_machines_that_fail_go_again_and_leave_the_old_untouched(estate: Estate) -> None:
    old = make_release(estate.environment, spec_of(strategy=WAVES))
    bad = make_release(estate.environment, spec_of(), broken=True)
    went_well(bring(estate.environment, old))
    Environment.objects.filter(pk=estate.environment.pk).update(strategy=REPLACE)
    with users(estate.proxy.url) as seen:
        failed = bring(estate.environment, bad)
        time.sleep(0.5)
    assert failed.status == Status.FAILED, text_of(failed)
    assert seen.failures == []
    assert set(seen.bodies) == {str(old.number)}
    assert estate.names() == ["web-1", "web-2"]
    estate.machines.follow()
    assert (len(estate.machines.machines), estate.running()) == (4, 2)
    assert not Deploy.objects.filter(undoes=failed).exists()
    assert strays(failed.environment) == []
    assert failed.environment.current == old


def test_a_rollback_during_the_watch_ends_the_new_machines_and_starts_none(estate: Estate) -> None:
    old, new = make_release(estate.environment, spec_of(strategy=WAVES)), make_release(estate.environment, spec_of())
    went_well(bring(estate.environment, old))
    Environment.objects.filter(pk=estate.environment.pk).update(strategy=REPLACE, watch_seconds=600)
    estate.environment.alarms.create(name="till", cause="c", kind="command", settings={"command": "true"})
    with users(estate.proxy.url) as seen:
        watched = bring(estate.environment, new)
        for _ in range(2):
            assert (watched.status, watched.waits_for) == (Status.BLOCKED, Waits.WATCH), text_of(watched)
            Deploy.objects.filter(pk=watched.pk).update(waits_until=timezone.now() - timedelta(seconds=1))
            waits.wake()
            watched = perform(watched)
        assert text_of(watched).count("web-1: 0 connections open after") <= 1
        assert rollbacks.roll_back(watched.environment, old, "ada (#1)", "tills are slow") == watched
        ended = perform(watched)
        time.sleep(0.5)
    assert (ended.status, ended.environment.current) == (Status.CANCELLED, old), text_of(ended)
    assert seen.failures == []
    assert set(seen.bodies) == {str(old.number), str(new.number)}
    assert estate.names() == ["web-1", "web-2"], text_of(ended)
    estate.machines.follow()
    assert (len(estate.machines.machines), estate.running()) == (4, 2)
    assert not Deploy.objects.filter(kind=DeployKind.ROLLBACK).exists()
    new.refresh_from_db()
    assert new.quarantined_at
    assert strays(ended.environment) == []


def test_the_old_machines_leave_first_where_never_two_releases_may_serve(estate: Estate) -> None:
    old, new = make_release(estate.environment, spec_of(strategy=WAVES)), make_release(estate.environment, spec_of())
    went_well(bring(estate.environment, old))
    Environment.objects.filter(pk=estate.environment.pk).update(strategy={**REPLACE, "remove_first": True})
    with users(estate.proxy.url) as seen:
        deploy = went_well(bring(estate.environment, new))
        time.sleep(0.5)
    text = text_of(deploy)
    assert "until the new ones are in it nobody serves users" in text
    for name in ("web-1", "web-2"):
        assert 0 < text.index(f"{name}: $ haproxy: set server shop/{name} state maint") < text.index("wave 1:")
    assert seen.failures
    assert set(seen.bodies) >= {str(old.number), str(new.number)}
    assert estate.names() == [f"web-1-d{deploy.number}", f"web-2-d{deploy.number}"]


def test_whatever_breaks_the_new_machines_go_and_the_old_serve(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = make_release(estate.environment, spec_of(strategy=WAVES)), make_release(estate.environment, spec_of())
    went_well(bring(estate.environment, old))
    Environment.objects.filter(pk=estate.environment.pk).update(strategy=REPLACE)

    def die(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Watch, "over", die)
    with users(estate.proxy.url) as seen:
        broken = bring(estate.environment, new)
        time.sleep(0.5)
    assert (broken.status, broken.reason) == (Status.ERRORED, "RuntimeError: a fault of ours")
    assert seen.failures == []
    assert estate.names() == ["web-1", "web-2"]
    estate.machines.follow()
    assert (len(estate.machines.machines), estate.running()) == (4, 2)


def test_a_machine_that_came_meanwhile_and_that_none_replaces_is_left_alone(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_release(estate.environment, spec_of(strategy=WAVES)), make_release(estate.environment, spec_of())
    went_well(bring(estate.environment, old))
    Environment.objects.filter(pk=estate.environment.pk).update(strategy=REPLACE)
    over = Watch.over

    def notice(watch: Watch, verdict: Verdict) -> Verdict:
        number = estate.cloud.start("127.0.77.99", {"Name": "web-9", "env": "prod"})
        estate.environment.hosts.create(
            name="web-9", address="127.0.77.99", external_id=number, listed_at=timezone.now()
        )
        return over(watch, verdict)

    monkeypatch.setattr(Watch, "over", notice)
    deploy = went_well(bring(estate.environment, new))
    assert estate.names() == [f"web-1-d{deploy.number}", f"web-2-d{deploy.number}", "web-9"]
    alive = estate.cloud.client.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
    assert len([one for group in alive["Reservations"] for one in group["Instances"]]) == 3


def test_host_keys_that_nobody_can_have_approved_are_refused_before_a_machine_is_started(estate: Estate) -> None:
    fields = {"strategy": REPLACE, "host_key_policy": HostKeyPolicy.PINNED}
    Environment.objects.filter(pk=estate.environment.pk).update(**fields)
    estate.environment.refresh_from_db()
    failed = bring(estate.environment, make_release(estate.environment, spec_of()))
    assert failed.status == Status.FAILED
    assert "new machines have new ones" in failed.reason
    assert len(estate.machines.machines) == 2
