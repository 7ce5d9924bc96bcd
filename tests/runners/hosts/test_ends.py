"""How a deploy ends when a person cancels it late, or its hosts are gone, on real hosts."""

import pytest
from django.utils import timezone

from pipelines.deploys import followups, requests, waits
from pipelines.deploys.models import Deploy, Environment, Waits
from pipelines.states.status import Status
from runners.hosts import flipping
from runners.hosts.plan import Plan
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, on, perform, statuses, text_of
from tests.runners.hosts.test_deploy_waits import LONG, cancel, fresh, go_on, meanwhile, pass_time, serve, watched

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"waves": ["rest"], "parallel": 10, "max_failures": 0}


def test_a_cancel_before_the_last_hook_cancels_the_deploy(hosts: list[Sshd], monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment(hosts)
    hooks = {"before": [], "after": [{"run": "echo smoke >> ../../smoke", "once": True}], "failure": []}
    deploy = factories.make_deploy(environment, make_release(environment, strategy=ALL, hooks=hooks))

    def cancel_first(plan: Plan, convoy: object, log: object) -> None:
        requests.cancel(fresh(deploy), "ada (#1)")
        while not plan.cancelled():
            timezone.now()

    monkeypatch.setattr(flipping, "turn", cancel_first)
    deploy = perform(deploy)
    assert deploy.status == Status.CANCELLED
    assert "what is done once after all hosts was not" in deploy.reason
    assert deploy.environment.current is None
    assert not any(on(server, "smoke") for server in hosts)


def test_a_cancel_while_the_hosts_hear_of_a_failure_leaves_the_failure_and_the_way_back(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = serve(hosts, environment)
    hooks = {"before": [], "after": [], "failure": [{"run": "touch ../../heard; sleep 30", "once": False}]}
    release = make_release(environment, strategy=ALL, activate="test $SLIPWAY_HOST = web-1", hooks=hooks)
    deploy = factories.make_deploy(environment, release)
    heard = [server.root / "shop/heard" for server in hosts[1:]]
    meanwhile(lambda: all(file.exists() for file in heard), lambda: cancel(deploy), deploy)
    assert statuses(deploy) == [Status.SUCCEEDED, Status.FAILED, Status.FAILED]
    assert "activate ended with status 1" in deploy.hosts.get(host__name="web-2").reason
    assert fresh(deploy).status == Status.FAILED, text_of(deploy)
    assert perform(Deploy.objects.get(undoes=deploy)).status == Status.SUCCEEDED
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3


@pytest.mark.parametrize("is_noticed", [True, False])
def test_the_way_back_does_not_count_a_host_that_is_gone(hosts: list[Sshd], is_noticed: bool) -> None:
    environment = make_environment(hosts)
    good = serve(hosts, environment)
    bad = make_release(environment, strategy=ALL, health={"command": "exit 1", "timeout_seconds": 1})
    failed = bring(environment, bad)
    hosts[0].stop()
    left = {"hosts": environment.inventory["hosts"][1:]}
    Environment.objects.filter(pk=environment.pk).update(inventory=left)
    if is_noticed:
        environment.hosts.filter(name="web-1").update(gone_at=timezone.now())
    back = perform(Deploy.objects.get(undoes=failed))
    assert back.status == Status.SUCCEEDED, text_of(back)
    assert [current(server) for server in hosts[1:]] == [f"release {good.number}"] * 2


def test_a_persons_yes_to_a_bake_is_to_the_wave_that_bakes(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_failures="1")
    serve(hosts, environment)
    strategy = {"waves": [1, 1, "rest"], "parallel": 10, "max_failures": 1, "bake_seconds": LONG}
    deploy = bring(environment, make_release(environment, strategy=strategy, activate="test $SLIPWAY_HOST != web-1"))
    assert (deploy.waits_for, deploy.reason[:12]) == (Waits.BAKE, "wave 2 bakes")
    waits.go_on(deploy, "ada (#1)")
    assert perform(fresh(deploy), "worker-2").status == Status.SUCCEEDED, text_of(deploy)


def test_a_false_alarm_is_taken_as_good_by_a_person(hosts: list[Sshd]) -> None:
    environment, _ = watched(hosts, LONG)
    Environment.objects.filter(pk=environment.pk).update(on_breach="ask")
    environment.refresh_from_db()
    deploy = bring(environment, make_release(environment))
    (hosts[0].root / "shop/smoke").touch()
    pass_time(deploy, 10)
    deploy = go_on(deploy)
    assert deploy.waits_for == Waits.BREACH, text_of(deploy)
    followups.finish_forward(deploy, "ada (#1)", "the alarm was wrong")
    deploy = perform(fresh(deploy), "worker-3")
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert deploy.environment.current == deploy.release
