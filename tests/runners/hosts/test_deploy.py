"""Whole deploys on real hosts: records in, SSH out, verdicts back."""

import os
import re
import signal
import threading
import time
from typing import Any

import pytest
from django.db import connection

from pipelines.deploys import lifecycle, requests
from pipelines.deploys.models import (
    Deploy,
    DeployKind,
    Environment,
    EnvironmentSecret,
    HostKeyPolicy,
    Phase,
)
from pipelines.deploys.rollbacks import roll_back
from pipelines.errors import LostRace
from pipelines.logs import store
from pipelines.runs.models import Artifact
from pipelines.states.status import Status
from runners.hosts import deploy as story
from runners.hosts.signin import Entry
from runners.hosts.ssh.connection import Address, HostKeyChanged
from runners.hosts.ssh.fleet import Target
from runners.queue.interruption import Interrupted
from tests import factories
from tests.lab.patience import until
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import (
    HOLD,
    bring,
    current,
    let_go,
    make_environment,
    make_release,
    on,
    perform,
    statuses,
    take_over,
    text_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_release_goes_to_every_host(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    release = make_release(environment)
    deploy = bring(environment, release)
    assert (deploy.status, deploy.reason) == (Status.SUCCEEDED, "")
    assert statuses(deploy) == [Status.SUCCEEDED] * 3
    assert [current(server) for server in hosts] == [f"release {release.number}"] * 3
    assert {on(server, "current/.slipway-digest").strip() for server in hosts} == {release.digest}
    assert sum(on(server, "migrations").count("ran") for server in hosts) == 1
    assert [on(server, "activations") for server in hosts] == [f"{release.number}\n"] * 3
    assert deploy.environment.current == release
    assert {row.host.release_id for row in deploy.hosts.select_related("host")} == {release.pk}


def test_the_configuration_reaches_the_release_and_secrets_no_log(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    EnvironmentSecret.objects.create(environment=environment, name="TOKEN", value="s3cret-value-1")
    factories.configure(environment, {"GREETING": "it's $fine"})
    release = make_release(environment, activate='echo "$GREETING / $TOKEN"')
    deploy = bring(environment, release)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    environment_file = hosts[0].root / "shop/current/.env"
    assert environment_file.stat().st_mode & 0o777 == 0o600
    assert "s3cret-value-1" in environment_file.read_text()
    assert "it's $fine / ***\n" in text_of(deploy)
    assert "s3cret-value-1" not in text_of(deploy)


def test_zero_hosts_are_refused(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, inventory={"hosts": []})
    deploy = bring(environment, make_release(environment))
    assert deploy.status == Status.FAILED
    assert "lists no running host" in deploy.reason


def test_a_disk_that_fills_up_during_the_upload_is_said_and_no_host_is_touched(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    release = make_release(environment, padding=30 * 1024 * 1024)
    Artifact.objects.filter(releases=release).update(size=1)  # past the check before it
    hosts[2].shrink_disk(megabytes=20)
    deploy = bring(environment, release)
    assert deploy.status == Status.FAILED
    assert "web-3 failed" in deploy.reason
    assert "space" in deploy.reason.lower()
    assert [current(server) for server in hosts] == ["", "", ""]


@pytest.mark.parametrize("trouble", ["refuses", "changed key", "unknown key", "no space"])
def test_a_host_that_cannot_be_prepared_stops_the_deploy_before_any_host_is_touched(
    hosts: list[Sshd], trouble: str
) -> None:
    environment = make_environment(hosts)
    release = make_release(environment)
    if trouble == "refuses":
        hosts[2].stop()
    if trouble == "changed key":
        hosts[2].change_host_key()
    if trouble == "unknown key":
        environment.host_keys.filter(address=hosts[2].address.host).delete()
    if trouble == "no space":
        Artifact.objects.filter(releases=release).update(size=10**15)
    deploy = bring(environment, release)
    assert deploy.status == Status.FAILED
    expected = {"refuses": "no connection", "changed key": "CHANGED", "unknown key": "no key is pinned"}
    assert expected.get(trouble, "MiB free") in deploy.reason
    assert [on(server, "migrations") + current(server) for server in hosts] == ["", "", ""]
    assert not deploy.hosts.filter(switched=True).exists()
    assert deploy.hosts.filter(unreachable=True).exists() == (trouble == "refuses")
    assert not Deploy.objects.filter(undoes=deploy).exists()


def test_an_unhealthy_release_stops_at_the_first_host_and_is_rolled_back(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = make_release(environment)
    assert bring(environment, good).status == Status.SUCCEEDED
    bad = make_release(environment, health={"command": "echo not well; exit 1", "timeout_seconds": 1})
    failed = bring(environment, bad)
    assert failed.status == Status.FAILED
    assert "not well" in failed.reason
    assert statuses(failed) == [Status.FAILED, Status.SKIPPED, Status.SKIPPED]
    assert [current(server) for server in hosts[1:]] == [f"release {good.number}"] * 2
    rollback = Deploy.objects.get(undoes=failed)
    perform(rollback)
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert [row.host.name for row in rollback.hosts.select_related("host")] == ["web-1"]
    assert [current(server) for server in hosts] == [f"release {good.number}"] * 3
    assert sum(on(server, "migrations").count("ran") for server in hosts) == 2
    bad.refresh_from_db()
    assert bad.quarantined_at


def test_a_failed_migration_switches_no_host(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    deploy = bring(environment, make_release(environment, migrate="echo no such table; exit 3"))
    assert deploy.status == Status.FAILED
    assert "migrate ended with status 3" in deploy.reason
    assert "no such table" in text_of(deploy)
    assert [current(server) for server in hosts] == ["", "", ""]


def test_the_rollback_button_brings_the_earlier_release_back(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    first, second = make_release(environment), make_release(environment)
    factories.configure(environment, {"A": "1"})
    bring(environment, first)
    factories.configure(environment, {"A": "2"})
    bring(environment, second)
    rollback = perform(roll_back(environment, first, "ada (#1)", "customers complain"))
    assert rollback.status == Status.SUCCEEDED
    assert [current(server) for server in hosts] == [f"release {first.number}"] * 3
    assert {on(server, "current/.env") for server in hosts} == {"A=1\n"}
    assert {on(server, "current/.slipway-digest").strip() for server in hosts} == {first.digest}
    assert sum(on(server, "migrations").count("ran") for server in hosts) == 2
    assert rollback.environment.current == first
    assert "is here already" in text_of(rollback)


def test_failures_within_the_budget_do_not_stop_the_others(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_failures=1)
    strategy = {"waves": [1, 1, 1], "parallel": 1, "max_failures": 1}
    release = make_release(environment, strategy=strategy, activate="test ! -e ../../broken")
    (hosts[1].root / "shop").mkdir()
    (hosts[1].root / "shop/broken").touch()
    deploy = bring(environment, release)
    assert deploy.status == Status.SUCCEEDED
    assert "web-2 failed" in deploy.reason
    assert statuses(deploy) == [Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED]


def test_hosts_out_of_reach_are_counted_apart_and_left_as_they_are(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_unreachable=1)
    release = make_release(environment)
    hosts[1].stop()
    deploy = bring(environment, release)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert statuses(deploy) == [Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED]
    assert [row.unreachable for row in deploy.hosts.order_by("host__name")] == [False, True, False]
    assert "web-2 failed" in deploy.reason


def test_how_a_host_stands_that_is_lost_while_it_is_changed_is_unknown(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_unreachable=3)
    strategy = {"waves": [1], "parallel": 1, "max_failures": 0}
    release = make_release(environment, activate="echo ran >> ../../ledger; sleep 60", strategy=strategy)
    deploy = factories.make_deploy(environment, release)

    def lose() -> None:
        while not on(hosts[0], "ledger"):
            time.sleep(0.05)
        hosts[0].stop()

    loser = threading.Thread(target=lose)
    loser.start()
    perform(deploy)
    loser.join()
    assert deploy.status == Status.ERRORED
    assert statuses(deploy) == [Status.ERRORED, Status.SKIPPED, Status.SKIPPED]
    assert not deploy.hosts.filter(unreachable=True).exists()


def test_a_takeover_goes_as_carefully_as_the_deploy_began(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    strategy = {"waves": [1, 1, 1], "parallel": 1, "max_failures": 9}
    deploy = factories.make_deploy(environment, make_release(environment, strategy=strategy, activate="exit 1"))
    factories.begin_deploy(deploy)
    Environment.objects.filter(pk=environment.pk).update(max_failures=9)
    take_over(deploy)
    assert statuses(deploy) == [Status.FAILED, Status.SKIPPED, Status.SKIPPED]


def test_after_a_deploy_that_was_stopped_halfway_what_is_live_is_brought_back_everywhere(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = make_release(environment)
    bring(environment, good)
    slow = make_release(environment, activate="echo ran >> ../../ledger; sleep 300")
    deploy = factories.make_deploy(environment, slow)

    def cancel_halfway() -> None:
        while not on(hosts[0], "ledger"):
            time.sleep(0.05)
        requests.cancel(Deploy.objects.get(pk=deploy.pk), "ada (#1)")
        connection.close()

    canceller = threading.Thread(target=cancel_halfway)
    canceller.start()
    perform(deploy)
    canceller.join()
    assert [current(server) for server in hosts] == [f"release {number}" for number in (slow.number, 1, 1)]
    assert deploy.environment.current == good
    back = perform(roll_back(environment, good, "ada (#1)"))
    assert back.status == Status.SUCCEEDED, text_of(back)
    assert [current(server) for server in hosts] == ["release 1"] * 3
    slow.refresh_from_db()
    assert slow.quarantined_at


def test_a_wave_stops_when_the_budget_is_spent(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, at_once=1)
    strategy = {"waves": ["rest"], "parallel": 1, "max_failures": 0}
    deploy = bring(environment, make_release(environment, strategy=strategy, activate="exit 1"))
    assert statuses(deploy) == [Status.FAILED, Status.SKIPPED, Status.SKIPPED]


def test_a_cancelled_deploy_ends_its_commands_on_the_hosts(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    deploy = factories.make_deploy(environment, make_release(environment, activate="sleep 300; : needle-activate"))

    def cancel_when_it_runs() -> None:
        while not hosts[0].processes("needle-activate"):
            time.sleep(0.1)
        requests.cancel(Deploy.objects.get(pk=deploy.pk), "ada (#1)")
        connection.close()

    canceller = threading.Thread(target=cancel_when_it_runs)
    canceller.start()
    perform(deploy)
    canceller.join()
    assert deploy.status == Status.CANCELLED
    assert statuses(deploy) == [Status.CANCELLED]
    assert hosts[0].processes("needle-activate") == []


def test_first_use_pins_a_key_once_and_then_refuses_another(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, host_key_policy=HostKeyPolicy.FIRST_USE)
    environment.host_keys.all().delete()
    assert bring(environment, make_release(environment)).status == Status.SUCCEEDED
    assert environment.host_keys.count() == 3
    hosts[0].change_host_key()
    deploy = bring(environment, make_release(environment))
    assert deploy.status == Status.FAILED
    assert "CHANGED" in deploy.reason


def test_first_use_refuses_a_key_that_changes_within_the_first_deploy(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1], host_key_policy=HostKeyPolicy.FIRST_USE)
    environment.host_keys.all().delete()
    unpinned = Target(Address(hosts[0].address.host, environment.ssh_port, "root"), ())
    Entry(environment).open(unpinned).close()
    hosts[0].change_host_key()
    with pytest.raises(HostKeyChanged):
        Entry(environment).open(unpinned)


def test_old_releases_are_removed_but_never_the_one_to_go_back_to(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1], keep_releases=2)
    releases = [make_release(environment) for _ in range(4)]
    for release in releases:
        assert bring(environment, release).status == Status.SUCCEEDED
    kept = sorted(path.name for path in (hosts[0].root / "shop/releases").iterdir())
    assert kept == [str(release.number) for release in releases[-2:]]


@pytest.mark.parametrize("where", ["migrate", "activate"])
def test_a_worker_that_dies_in_a_step_is_followed_by_one_that_repeats_nothing(hosts: list[Sshd], where: str) -> None:
    environment = make_environment(hosts)
    talk = f"for n in 1 2 3; do echo line $n; done; {HOLD}; for n in 4 5 6; do echo line $n; done"
    slow = f"echo ran >> ../../{where}-ledger; {talk}"
    changes: dict[str, Any] = {where: slow}
    deploy = factories.make_deploy(environment, make_release(environment, **changes))
    claim = lifecycle.claim_deploy(deploy.pk, "worker-1")
    errors: list[BaseException] = []

    def die_in_the_step() -> None:
        try:
            story.run(claim)
        except BaseException as error:
            errors.append(error)
        connection.close()

    worker = threading.Thread(target=die_in_the_step)
    worker.start()
    until("the middle of the step", lambda: "line 3" in text_of(deploy))
    take_over(deploy, once_taken=lambda: let_go(hosts))
    worker.join()
    assert [type(error) for error in errors if not isinstance(error, LostRace)] == []
    assert errors
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    ledgers = [on(server, f"{where}-ledger") for server in hosts]
    assert ledgers.count("ran\n") == (1 if where == "migrate" else 3)
    assert max(len(ledger) for ledger in ledgers) == 4
    for row in deploy.hosts.select_related("log"):
        lines = re.findall(r"^line \d$", b"".join(store.read(row.log)).decode(), re.MULTILINE)
        assert lines in ([f"line {n}" for n in range(1, 7)], [])
    assert store.doubled_or_missing() == []


def test_a_connection_that_breaks_in_a_step_is_opened_again(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    talk = f"for n in 1 2 3; do echo line $n; done; {HOLD}; for n in 4 5 6; do echo line $n; done"
    slow = f"echo ran >> ../../ledger; {talk}"
    deploy = factories.make_deploy(environment, make_release(environment, activate=slow))

    def cut() -> None:
        until("the middle of the step", lambda: "line 3" in text_of(deploy))
        connection.close()
        hosts[0].drop_connections()
        let_go(hosts[:1])

    cutter = threading.Thread(target=cut)
    cutter.start()
    perform(deploy)
    cutter.join()
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert on(hosts[0], "ledger") == "ran\n"
    assert re.findall(r"^line \d$", text_of(deploy), re.MULTILINE) == [f"line {n}" for n in range(1, 7)]


def test_a_takeover_after_an_unreachable_migrator_migrates_nowhere_else(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    deploy = factories.make_deploy(environment, make_release(environment))
    factories.begin_deploy(deploy)
    hosts[0].stop()
    environment.max_failures = 1
    environment.save()
    take_over(deploy)
    assert deploy.status == Status.FAILED
    assert [on(server, "migrations") for server in hosts] == ["", "", ""]


def test_the_way_back_goes_on_when_one_host_is_lost(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    good = make_release(environment)
    bring(environment, good)
    strategy = {"waves": ["rest"], "parallel": 10, "max_failures": 0}
    health = {"command": "exit 1", "timeout_seconds": 1}
    failed = bring(environment, make_release(environment, strategy=strategy, health=health))
    assert failed.hosts.filter(switched=True).count() == 3
    hosts[1].stop()
    rollback = perform(Deploy.objects.get(undoes=failed))
    assert rollback.kind == DeployKind.ROLLBACK
    assert rollback.status == Status.FAILED
    assert statuses(rollback) == [Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED]
    assert [current(hosts[0]), current(hosts[2])] == [f"release {good.number}"] * 2


def test_phases_are_told_on_the_way(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    deploy = bring(environment, make_release(environment))
    row = deploy.hosts.get()
    assert (row.phase, row.switched) == (Phase.DONE, True)
    text = text_of(deploy)
    for told in ("uploaded", "current -> releases/", "$ echo", "is it healthy?", "is live here"):
        assert told in text


def test_an_interrupted_worker_leaves_the_deploy_as_it_stands(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    slow = f"echo ran >> ../../ledger; {HOLD}; echo done"
    strategy = {"waves": ["rest"], "parallel": 10, "max_failures": 0}
    release = make_release(environment, activate=slow, strategy=strategy)
    deploy = factories.make_deploy(environment, release)
    claim = lifecycle.claim_deploy(deploy.pk, "worker-1")

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    def interrupt_in_the_step() -> None:
        while not all(on(server, "ledger") for server in hosts):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    threading.Thread(target=interrupt_in_the_step).start()
    with pytest.raises(Interrupted):
        story.run(claim)
    signal.signal(signal.SIGUSR1, before)
    deploy.refresh_from_db()
    assert deploy.status == Status.RUNNING
    assert statuses(deploy) == [Status.RUNNING] * 3
    let_go(hosts)
    take_over(deploy)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert [on(server, "ledger") for server in hosts] == ["ran\n"] * 3
