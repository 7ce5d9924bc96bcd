"""A migration runs once, whatever breaks while it does, on real hosts."""

import threading
import time

import pytest

from pipelines.deploys import followups, lifecycle, waits
from pipelines.deploys.models import Deploy, Waits
from pipelines.errors import LostRace
from pipelines.states.status import Status
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, make_environment, make_release, on, perform, statuses, take_over, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def lose_while_it_migrates(host: Sshd) -> threading.Thread:
    def lose() -> None:
        give_up_at = time.monotonic() + 120
        while not on(host, "ledger") and time.monotonic() < give_up_at:
            time.sleep(0.05)
        host.stop()

    loser = threading.Thread(target=lose)
    loser.start()
    return loser


def test_no_second_migration_begins_while_the_first_may_run_on_a_host_that_was_lost(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_unreachable=3)
    slow = "echo begun >> ../../ledger; sleep 60"
    loser = lose_while_it_migrates(hosts[0])
    lost = bring(environment, make_release(environment, migrate=slow))
    loser.join()
    assert lost.status == Status.ERRORED, text_of(lost)
    assert statuses(lost)[0] == Status.ERRORED
    assert not lost.hosts.filter(unreachable=True).exists()
    assert "look there whether it still runs" in lost.reason.lower()
    assert lost.migration_begun_at is not None
    again = factories.make_deploy(environment, make_release(environment, migrate=slow))
    with pytest.raises(LostRace, match="nobody knows how the migration"):
        perform(again)
    assert [on(server, "ledger") for server in hosts] == ["begun\n", "", ""]


def test_a_migration_that_failed_in_plain_words_keeps_no_other(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    failed = bring(environment, make_release(environment, migrate="exit 3"))
    assert (failed.status, failed.migration_begun_at) == (Status.FAILED, None)
    well = bring(environment, make_release(environment))
    assert well.status == Status.SUCCEEDED, text_of(well)
    assert well.migration_begun_at is not None


def test_a_takeover_that_cannot_ask_the_migrator_migrates_nowhere_else_and_calls_it_unknown(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_failures="2", max_unreachable="2")
    strategy = {"waves": ["rest"], "parallel": 10, "max_failures": 2}
    deploy = factories.make_deploy(environment, make_release(environment, strategy=strategy))
    begun = factories.begin_deploy(deploy)
    begun.hosts.update(phase="uploaded")
    lifecycle.note_migrating(begun)
    hosts[0].stop()
    take_over(deploy)
    assert deploy.status == Status.ERRORED, text_of(deploy)
    assert "web-1 may have begun the migration" in deploy.reason
    assert not deploy.hosts.filter(unreachable=True).exists()
    assert [on(server, "migrations") for server in hosts] == ["", "", ""]


def test_a_deploy_that_was_paused_before_anything_began_migrates_on_another_host(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, max_failures="1", max_unreachable="1")
    strategy = {"waves": ["rest"], "parallel": 10, "max_failures": 1}
    deploy = factories.make_deploy(environment, make_release(environment, strategy=strategy))
    claimed = lifecycle.claim_deploy(deploy.pk, "worker-1").deploy
    lifecycle.let_go(claimed)
    followups.pause(deploy, "ada (#1)")
    assert take_over(deploy).waits_for == Waits.PAUSE
    hosts[0].stop()
    waits.go_on(deploy, "ada (#1)")
    deploy = perform(Deploy.objects.get(pk=deploy.pk), "worker-2")
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert [on(server, "migrations") for server in hosts] == ["", "ran\n", ""]
