"""Deploys that wait in their middle, on real hosts: canaries, bakes, pauses, breaches, watches, and their ends."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from pipelines.deploys import followups, lifecycle, requests, rollbacks, waits
from pipelines.deploys.models import Deploy, DeployKind, Environment, Phase, Waits
from pipelines.errors import LostRace
from pipelines.outbox.models import Notice
from pipelines.states.status import Status
from runners.hosts import deploy as story
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, on, perform, statuses, text_of

pytestmark = pytest.mark.django_db(transaction=True)

CANARY: dict[str, Any] = {"waves": [1, "rest"], "parallel": 10, "max_failures": 0}
LONG, SHORT = 60, 3


def canary(**more: Any) -> dict[str, Any]:
    return {**CANARY, **more}


def fresh(deploy: Deploy) -> Deploy:
    return Deploy.objects.select_related("environment").get(pk=deploy.pk)


def pass_time(deploy: Deploy, seconds: int = LONG) -> None:
    """As if the deploy had waited so long already."""
    back = timedelta(seconds=seconds)
    for row in deploy.hosts.exclude(finished_at=None):
        type(row).objects.filter(pk=row.pk).update(finished_at=row.finished_at - back if row.finished_at else None)
    stored = fresh(deploy)
    moved = {name: getattr(stored, name) - back for name in ("waits_until", "watched_until") if getattr(stored, name)}
    Deploy.objects.filter(pk=deploy.pk).update(**moved)


def go_on(deploy: Deploy) -> Deploy:
    """What the reconciler and a worker do once its time has come."""
    waits.wake()
    return perform(fresh(deploy), "worker-2")


def serve(servers: list[Sshd], environment: Environment, number: str = "0.5") -> Any:
    """Something that runs well; each host answers `number` when it is measured."""
    good = make_release(environment)
    assert bring(environment, good).status == Status.SUCCEEDED
    for server in servers:
        (server.root / "shop/load").write_text(number)
    return good


def test_a_canary_that_goes_bad_while_it_bakes_is_restored_and_no_other_host_was_touched(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = serve(hosts, environment)
    bad = make_release(
        environment,
        strategy=canary(bake_seconds=SHORT),
        health={"command": "test ! -e ../../ill", "timeout_seconds": 2},
        activate="(sleep 1; touch ../../ill) > /dev/null 2>&1 & echo up",
    )
    failed = bring(environment, bad)
    assert failed.status == Status.FAILED
    assert "wave 1 went bad while it baked: web-1" in failed.reason
    assert statuses(failed) == [Status.SUCCEEDED, Status.SKIPPED, Status.SKIPPED]
    assert environment.hosts.get(name="web-1").healthy is False
    back = perform(Deploy.objects.get(undoes=failed))
    assert back.status == Status.SUCCEEDED, text_of(back)
    assert [row.host.name for row in back.hosts.select_related("host")] == ["web-1"]
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3
    assert [on(server, "activations").count("\n") for server in hosts] == [2, 1, 1]
    bad.refresh_from_db()
    assert bad.quarantined_at


@pytest.mark.parametrize(("new", "ends"), [("2.0", Status.FAILED), ("0.6", Status.SUCCEEDED)])
def test_a_canary_is_compared_with_the_hosts_that_are_still_on_the_old_release(
    hosts: list[Sshd], new: str, ends: Status
) -> None:
    environment = make_environment(hosts)
    serve(hosts, environment)
    compare = {"command": "cat /srv/shop/load", "tolerance": 1.5}
    release = make_release(environment, strategy=canary(compare=compare), activate=f"echo {new} > /srv/shop/load")
    deploy = bring(environment, release)
    assert deploy.status == ends, text_of(deploy)
    if ends == Status.FAILED:
        assert "the new hosts are at 2, the others at 0.5; 1.5 times as much is allowed" in deploy.reason
        assert statuses(deploy) == [Status.SUCCEEDED, Status.SKIPPED, Status.SKIPPED]


def test_a_long_bake_holds_no_worker_and_goes_on_when_its_time_has_come(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    serve(hosts, environment)
    deploy = bring(environment, make_release(environment, strategy=canary(bake_seconds=LONG)))
    assert (deploy.status, deploy.waits_for, deploy.owner) == (Status.BLOCKED, Waits.BAKE, "")
    assert deploy.waits_until is not None
    assert statuses(deploy) == [Status.SUCCEEDED, Status.PENDING, Status.PENDING]
    assert waits.due() == []
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(factories.make_deploy(environment).pk, "worker-3")
    pass_time(deploy, 10)
    assert go_on(deploy).waits_for == Waits.BAKE  # asked once, and it bakes on
    pass_time(deploy)
    assert go_on(deploy).status == Status.SUCCEEDED, text_of(deploy)
    assert fresh(deploy).baked_waves == 1
    assert [on(server, "activations").count("\n") for server in hosts] == [2, 2, 2]


def test_a_bake_survives_the_death_of_the_worker_that_asks(hosts: list[Sshd], monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment(hosts)
    serve(hosts, environment)
    deploy = bring(environment, make_release(environment, strategy=canary(bake_seconds=LONG)))
    pass_time(deploy)
    waits.wake()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "note_baked", die)
    with pytest.raises(KeyboardInterrupt):
        perform(deploy)
    monkeypatch.undo()
    Deploy.objects.filter(pk=deploy.pk).update(lease_until="2020-01-01T00:00Z")
    assert perform(fresh(deploy), "worker-2").status == Status.SUCCEEDED
    assert [on(server, "activations").count("\n") for server in hosts] == [2, 2, 2]


def test_a_paused_deploy_finishes_its_wave_and_goes_on_when_a_person_says_so(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    release = make_release(environment, strategy=CANARY, activate="echo ran >> ../../ledger; sleep 1")
    deploy = factories.make_deploy(environment, release)
    meanwhile(lambda: bool(on(hosts[0], "ledger")), lambda: followups.pause(fresh(deploy), "ada (#1)"), deploy)
    assert (fresh(deploy).status, fresh(deploy).waits_for) == (Status.BLOCKED, Waits.PAUSE)
    assert statuses(deploy) == [Status.SUCCEEDED, Status.PENDING, Status.PENDING]
    waits.wake()
    assert fresh(deploy).status == Status.BLOCKED
    waits.go_on(deploy, "ada (#1)")
    assert perform(fresh(deploy), "worker-2").status == Status.SUCCEEDED
    assert [on(server, "ledger") for server in hosts] == ["ran\n"] * 3


def breached(environment: Environment, hosts: list[Sshd]) -> Deploy:
    """A deploy that asks: the first host is over, the second is not, the third had no turn."""
    strategy = {"waves": [1, 1, 1], "parallel": 1, "max_failures": 0}
    (hosts[1].root / "shop/broken").touch()
    return bring(environment, make_release(environment, strategy=strategy, activate=BREAKS))


BREAKS = "test ! -e ../../broken && echo $SLIPWAY_RELEASE >> ../../activations"


def test_a_breach_asks_and_finishing_forward_touches_only_what_is_not_done(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, on_breach="ask")
    good = serve(hosts, environment)
    deploy = breached(environment, hosts)
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.BREACH)
    assert "web-2 failed" in deploy.reason
    assert deploy.environment.current == good
    before = hosts[0].root.joinpath("shop/activations").read_text()
    (hosts[1].root / "shop/broken").unlink()
    following = followups.finish_forward(deploy, "ada (#1)", "the disk is mended")
    assert fresh(deploy).status == Status.FAILED
    assert statuses(deploy) == [Status.SUCCEEDED, Status.FAILED, Status.SKIPPED]
    assert perform(following).status == Status.SUCCEEDED, text_of(following)
    assert [row.host.name for row in following.hosts.order_by("host__name")] == ["web-2", "web-3"]
    assert [current(server) for server in hosts] == [f"release {deploy.release.number}"] * 3
    assert on(hosts[0], "activations") == before
    assert sum(on(server, "migrations").count("ran") for server in hosts) == 2  # one for each release
    assert following.environment.current == deploy.release
    assert rollbacks.strays(following.environment) == []


def test_a_breach_asks_and_is_brought_back_where_it_was_switched(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, on_breach="ask")
    good = serve(hosts, environment)
    deploy = breached(environment, hosts)
    back = followups.bring_back(deploy, "ada (#1)", "not today")
    assert (fresh(deploy).status, back.kind, back.undoes) == (Status.FAILED, DeployKind.ROLLBACK, deploy)
    assert perform(back).status == Status.SUCCEEDED, text_of(back)
    assert [row.host.name for row in back.hosts.order_by("host__name")] == ["web-1", "web-2"]
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3
    assert rollbacks.strays(environment) == []


def test_a_deploy_that_stopped_is_finished_forward_after_its_end(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, on_breach="stop")
    serve(hosts, environment)
    deploy = breached(environment, hosts)
    assert deploy.status == Status.FAILED
    assert not Deploy.objects.filter(undoes=deploy).exists()
    (hosts[1].root / "shop/broken").unlink()
    assert perform(followups.finish_forward(deploy, "ada (#1)")).status == Status.SUCCEEDED
    assert [current(server) for server in hosts] == [f"release {deploy.release.number}"] * 3


def test_what_finishes_a_deploy_and_fails_is_brought_back_from_every_host_of_both(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, on_breach="ask")
    good = serve(hosts, environment)
    following = followups.finish_forward(breached(environment, hosts), "ada (#1)")
    Environment.objects.filter(pk=environment.pk).update(on_breach="roll_back")
    following = fresh(following)
    assert perform(following).status == Status.FAILED
    back = perform(Deploy.objects.get(undoes=following))
    assert back.status == Status.SUCCEEDED, text_of(back)
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3


def test_hooks_on_failure_run_before_anything_is_brought_back(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    serve(hosts, environment)
    hooks = {
        "failure": [
            {"run": "readlink /srv/shop/current >> /srv/shop/heard"},
            {"run": "echo once >> /srv/shop/once", "once": True},
        ]
    }
    (hosts[1].root / "shop/broken").touch()
    strategy = {"waves": [1, 1, 1], "parallel": 1, "max_failures": 0}
    bad = make_release(environment, strategy=strategy, activate=BREAKS, hooks=hooks)
    failed = bring(environment, bad)
    assert failed.status == Status.FAILED
    assert [on(server, "heard") for server in hosts] == [f"releases/{bad.number}\n"] * 2 + [""]
    assert [on(server, "once") for server in hosts] == ["once\n", "", ""]


def test_a_repair_brings_the_live_release_to_the_hosts_that_it_is_for_and_changes_nothing_else(
    hosts: list[Sshd],
) -> None:
    environment = make_environment(hosts)
    good = serve(hosts, environment)
    repair = factories.make_deploy(environment, good, kind=DeployKind.REPAIR, only=["web-2"])
    assert perform(repair).status == Status.SUCCEEDED, text_of(repair)
    assert [row.host.name for row in repair.hosts.select_related("host")] == ["web-2"]
    assert repair.environment.current == good
    assert environment.hosts.filter(gone_at=None).count() == 3
    (hosts[2].root / "shop/current/app").unlink()
    Environment.objects.filter(pk=environment.pk).update(on_breach="roll_back")
    hosts[2].stop()
    broken = perform(factories.make_deploy(environment, good, kind=DeployKind.REPAIR, only=["web-3"]))
    assert broken.status == Status.FAILED
    good.refresh_from_db()
    assert good.quarantined_at is None
    assert not Deploy.objects.filter(undoes=broken).exists()
    assert broken.environment.current == good


def test_many_missing_hosts_are_asked_about_before_anything_is_touched(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = serve(hosts, environment)
    environment.inventory = {"hosts": environment.inventory["hosts"][:1]}
    environment.save()
    deploy = bring(environment, make_release(environment))
    assert (deploy.status, deploy.waits_for, deploy.started_at) == (Status.BLOCKED, Waits.HOSTS, None)
    assert "lists 1 hosts, and not 2 of the 3 of before" in deploy.reason
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3
    assert environment.hosts.filter(gone_at=None).count() == 3
    waits.accept_hosts(deploy, "ada (#1)", deploy.plan)
    assert perform(fresh(deploy)).status == Status.SUCCEEDED
    assert current(hosts[0]) == f"release {deploy.release.number}"


def test_a_list_that_changes_after_it_was_accepted_is_asked_about_again(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    serve(hosts, environment)
    everybody = environment.inventory["hosts"]
    Environment.objects.filter(pk=environment.pk).update(inventory={"hosts": everybody[:1]})
    deploy = factories.make_deploy(fresh_environment(environment), make_release(environment))
    perform(deploy)
    waits.accept_hosts(deploy, "ada (#1)", deploy.plan)
    Environment.objects.filter(pk=environment.pk).update(inventory={"hosts": everybody[1:2]})
    assert perform(fresh(deploy)).waits_for == Waits.HOSTS


def fresh_environment(environment: Environment) -> Environment:
    return Environment.objects.select_related("project", "credential").get(pk=environment.pk)


def meanwhile(until: Callable[[], bool], act: Callable[[], object], deploy: Deploy) -> None:
    """Perform the deploy, and act once something has come about."""

    def wait_and_act() -> None:
        try:
            give_up_at = time.monotonic() + 120
            while not until() and time.monotonic() < give_up_at:
                time.sleep(0.05)
            act()
        finally:
            connection.close()

    other = threading.Thread(target=wait_and_act)
    other.start()
    perform(deploy)
    other.join()


def cancel(deploy: Deploy) -> None:
    requests.cancel(fresh(deploy), "ada (#1)")


def has_phase(deploy: Deploy, phase: Phase) -> Callable[[], bool]:
    return lambda: deploy.hosts.filter(phase=phase).exists()


SLOW: dict[str, dict[str, Any]] = {
    "migrate": {"migrate": "sleep 600"},
    "activate": {"activate": "sleep 600"},
    "health": {"health": {"command": "sleep 1; false", "timeout_seconds": 600}},
    "bake": {"strategy": canary(bake_seconds=18)},
}
REACHED: dict[str, Callable[[Deploy], Callable[[], bool]]] = {
    "migrate": lambda deploy: has_phase(deploy, Phase.UPLOADED),
    "activate": lambda deploy: has_phase(deploy, Phase.ACTIVATING),
    "health": lambda deploy: has_phase(deploy, Phase.HEALTH),
    "bake": lambda deploy: lambda: deploy.hosts.filter(status=Status.SUCCEEDED).exists(),
}


@pytest.mark.parametrize("phase", list(SLOW))
def test_a_deploy_is_cancelled_in_any_phase_and_says_where_its_hosts_stand(hosts: list[Sshd], phase: str) -> None:
    environment = make_environment(hosts)
    deploy = factories.make_deploy(environment, make_release(environment, **SLOW[phase]))
    began = time.monotonic()
    meanwhile(REACHED[phase](deploy), lambda: cancel(deploy), deploy)
    assert time.monotonic() - began < 120
    deploy = fresh(deploy)
    assert deploy.status == Status.CANCELLED, deploy.reason
    assert "the state of every host is known" in deploy.reason
    assert not deploy.hosts.filter(finished_at=None).exists()
    assert all(row.log.closed_at for row in deploy.hosts.select_related("log"))
    assert deploy.environment.current is None


def test_a_deploy_is_cancelled_while_it_waits_for_a_host_that_does_not_answer(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    deploy = factories.make_deploy(environment, make_release(environment))
    hosts[1].freeze()
    began = time.monotonic()
    meanwhile(has_phase(deploy, Phase.CHECKING), lambda: cancel(deploy), deploy)
    hosts[1].thaw()
    assert time.monotonic() - began < 120
    assert fresh(deploy).status == Status.CANCELLED
    assert "0 of 3 hosts are on the new release, the state of every host is known" in fresh(deploy).reason


def test_a_host_that_does_not_say_whether_it_stopped_is_named_as_unknown(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    deploy = factories.make_deploy(environment, make_release(environment, activate="sleep 600"))

    def freeze_and_cancel() -> None:
        hosts[0].freeze()
        cancel(deploy)

    meanwhile(has_phase(deploy, Phase.ACTIVATING), freeze_and_cancel, deploy)
    hosts[0].thaw()
    assert fresh(deploy).status == Status.CANCELLED
    assert "the state of web-1 is unknown" in fresh(deploy).reason


@pytest.mark.parametrize("seconds", [0, LONG])
def test_a_deploy_that_waits_is_cancelled_at_once_with_its_hosts(hosts: list[Sshd], seconds: int) -> None:
    """Between hosts, as it bakes or as a person was to go on."""
    environment = make_environment(hosts)
    deploy = factories.make_deploy(environment, make_release(environment, strategy=canary(bake_seconds=seconds)))
    lifecycle.claim_deploy(deploy.pk, "worker-1")
    Deploy.objects.filter(pk=deploy.pk).update(pause_requested_at=None if seconds else timezone.now(), lease_until=None)
    perform(fresh(deploy))
    assert fresh(deploy).waits_for == (Waits.BAKE if seconds else Waits.PAUSE)
    cancel(deploy)
    deploy = fresh(deploy)
    over = 1 if seconds else 0
    assert deploy.status == Status.CANCELLED
    assert f"{over} of 3 hosts are on the new release, the state of every host is known" in deploy.reason
    assert [row.status for row in deploy.hosts.order_by("host__name")][over:] == [Status.SKIPPED] * (3 - over)
    assert all(row.log.closed_at for row in deploy.hosts.select_related("log"))
    following = factories.make_deploy(environment)
    assert lifecycle.claim_deploy(following.pk, "worker-1").deploy == following


def test_a_cancel_that_comes_as_the_deploy_begins_to_wait_is_not_lost(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    release = make_release(environment, strategy=canary(bake_seconds=LONG))
    claim = lifecycle.claim_deploy(factories.make_deploy(environment, release).pk, "worker-1")
    Deploy.objects.filter(pk=claim.deploy.pk).update(cancel_requested_at=timezone.now())
    story.run(claim)
    assert fresh(claim.deploy).status == Status.CANCELLED


def test_a_worker_that_takes_a_deploy_over_touches_no_host_that_is_done(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    strategy = {"waves": [1, 1, 1], "parallel": 1, "max_failures": 0}
    deploy = factories.make_deploy(environment, make_release(environment, strategy=strategy))
    claim = lifecycle.claim_deploy(deploy.pk, "worker-1")
    original, ended = lifecycle.finish_host, list[int]()

    def die_on_the_second(row: Any, *args: Any, **more: Any) -> None:
        if ended:
            raise LostRace("the worker is gone")
        original(row, *args, **more)
        ended.append(row.pk)

    lifecycle.finish_host = die_on_the_second
    try:
        with pytest.raises(LostRace):
            story.run(claim)
    finally:
        lifecycle.finish_host = original
    assert statuses(deploy) == [Status.SUCCEEDED, Status.RUNNING, Status.PENDING]
    Deploy.objects.filter(pk=deploy.pk).update(lease_until="2020-01-01T00:00Z")
    assert perform(fresh(deploy), "worker-2").status == Status.SUCCEEDED
    assert [on(server, "activations").count("\n") for server in hosts] == [1, 1, 1]
    assert sum(on(server, "migrations").count("ran") for server in hosts) == 1


def watched(hosts: list[Sshd], seconds: int, **alarm: Any) -> tuple[Environment, Any]:
    """An environment whose alarm goes off once there is a file on the first host."""
    environment = make_environment(hosts, watch_seconds=seconds)
    good = serve(hosts, environment)
    command = {"command": "test ! -e /srv/shop/smoke || { echo it burns; exit 1; }"}
    known = {"name": "smoke", "cause": "something burns", "kind": "command", "settings": command, "action": "undo"}
    environment.alarms.create(**{**known, **alarm})
    return environment, good


def test_an_alarm_that_goes_off_after_a_deploy_rolls_it_back(hosts: list[Sshd]) -> None:
    environment, good = watched(hosts, LONG)
    deploy = bring(environment, make_release(environment))
    assert (deploy.status, deploy.waits_for, deploy.owner) == (Status.BLOCKED, Waits.WATCH, "")
    assert statuses(deploy) == [Status.SUCCEEDED] * 3
    assert deploy.environment.current == good
    pass_time(deploy, 10)
    assert go_on(deploy).waits_for == Waits.WATCH
    (hosts[0].root / "shop/smoke").touch()
    pass_time(deploy, 10)
    deploy = go_on(deploy)
    assert deploy.status == Status.FAILED
    assert "alarm smoke went off: something burns" in deploy.reason
    assert "it burns" in deploy.reason
    back = perform(Deploy.objects.get(undoes=deploy))
    assert back.status == Status.SUCCEEDED, text_of(back)
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3
    assert deploy.release.quarantined_at or type(good).objects.get(pk=deploy.release_id).quarantined_at


@pytest.mark.parametrize("seconds", [2, LONG])
def test_a_release_is_live_once_its_watch_is_over(hosts: list[Sshd], seconds: int) -> None:
    environment, good = watched(hosts, seconds)
    deploy = bring(environment, make_release(environment))
    if seconds == LONG:
        assert deploy.environment.current == good
        assert rollbacks.targets(environment, rollbacks.strays(environment)).first() == good
        pass_time(deploy)
        deploy = go_on(deploy)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert fresh(deploy).environment.current == deploy.release


def test_the_rollback_button_ends_a_watch_and_brings_the_old_release_back(hosts: list[Sshd]) -> None:
    environment, good = watched(hosts, LONG)
    deploy = bring(environment, make_release(environment))
    back = rollbacks.roll_back(fresh_environment(environment), good, "ada (#1)", "customers complain")
    assert (fresh(deploy).status, fresh(deploy).reason) == (
        Status.FAILED,
        "rolled back by ada (#1): customers complain",
    )
    assert perform(back).status == Status.SUCCEEDED, text_of(back)
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3


def test_a_person_takes_what_is_left_of_a_watch_as_good(hosts: list[Sshd]) -> None:
    environment, _ = watched(hosts, LONG)
    deploy = bring(environment, make_release(environment))
    (hosts[0].root / "shop/smoke").touch()
    waits.go_on(deploy, "ada (#1)")
    assert perform(fresh(deploy)).status == Status.SUCCEEDED


@pytest.mark.parametrize("action", ["lock", "tell"])
def test_an_alarm_may_only_lock_the_environment_or_tell_people_and_does_so_once(hosts: list[Sshd], action: str) -> None:
    environment, _ = watched(hosts[:1], LONG, action=action, alert="sre@example.org")
    deploy = bring(environment, make_release(environment))
    (hosts[0].root / "shop/smoke").touch()
    for _ in range(2):
        pass_time(deploy, 10)
        assert go_on(deploy).waits_for == Waits.WATCH
    assert environment.locks.count() == (1 if action == "lock" else 0)
    assert Notice.objects.filter(topic="alarm").count() == 1
    pass_time(deploy)
    assert go_on(deploy).status == Status.SUCCEEDED


def test_a_deploy_that_bakes_is_brought_back_at_once_when_a_person_says_so(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = serve(hosts, environment)
    deploy = bring(environment, make_release(environment, strategy=canary(bake_seconds=LONG)))
    back = followups.bring_back(deploy, "ada (#1)")
    assert fresh(deploy).status == Status.FAILED
    assert perform(back).status == Status.SUCCEEDED
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3
