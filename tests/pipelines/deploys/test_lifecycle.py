"""What a deploy worker writes, under its lease and the environment's fence."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pipelines.deploys import lifecycle, requests, rollbacks
from pipelines.deploys.lifecycle import DeployClaim, Listed
from pipelines.deploys.models import Deploy, Environment, Host, HostDeploy, Phase
from pipelines.deploys.strategies import Caution
from pipelines.errors import LostRace
from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.outbox.models import Channel, Message
from pipelines.states import leases
from pipelines.states.leases import LostLease
from pipelines.states.status import Status
from tests.factories import (
    OWNER,
    begin_deploy,
    finish_deploy,
    finish_host,
    make_deploy,
    make_environment,
    make_live,
    make_project,
    make_release,
    make_rollback,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _stored(deploy: Deploy) -> Deploy:
    return Deploy.objects.get(pk=deploy.pk)


def _expire(deploy: Deploy) -> None:
    Deploy.objects.filter(pk=deploy.pk).update(lease_until=leases.until(-1))


def _host(deploy: Deploy, name: str) -> HostDeploy:
    return deploy.hosts.select_related("host", "log").get(host__name=name)


# Claims and the queue of an environment


def test_a_claim_starts_the_deploy_with_a_lease_and_the_environments_fence() -> None:
    environment = make_environment()
    claim = lifecycle.claim_deploy(make_deploy(environment).pk, OWNER)
    stored = _stored(claim.deploy)
    environment.refresh_from_db()
    assert not claim.resumed
    assert (stored.status, stored.owner, stored.fence) == (Status.RUNNING, OWNER, environment.fence)
    assert stored.lease_until is not None


def test_deploys_go_in_the_order_they_were_asked_for() -> None:
    environment = make_environment()
    first, second = make_deploy(environment), make_deploy(environment)
    with pytest.raises(LostRace, match="goes first"):
        lifecycle.claim_deploy(second.pk, OWNER)
    finish_deploy(first)
    assert lifecycle.claim_deploy(second.pk, OWNER).deploy == second


def test_a_rollback_goes_before_everything_that_waits() -> None:
    environment = make_environment()
    good = make_live(environment).release
    make_live(environment)
    waiting = make_deploy(environment)
    rollback = make_rollback(environment, good)
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(waiting.pk, OWNER)
    assert lifecycle.claim_deploy(rollback.pk, OWNER).deploy == rollback


def test_one_deploy_runs_in_an_environment_at_a_time() -> None:
    environment = make_environment()
    first, second = make_deploy(environment), make_deploy(environment)
    lifecycle.claim_deploy(first.pk, OWNER)
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(second.pk, "rival")
    assert _stored(second).status == Status.QUEUED


def test_the_database_itself_refuses_a_second_deploy_that_has_begun() -> None:
    environment = make_environment()
    first, second = make_deploy(environment), make_deploy(environment)
    lifecycle.claim_deploy(first.pk, OWNER)
    with pytest.raises(IntegrityError), transaction.atomic():
        Deploy.objects.filter(pk=second.pk).update(**{"status": Status.RUNNING, "started_at": timezone.now()})


def test_environments_do_not_wait_for_each_other() -> None:
    project = make_project()
    deploys = [make_deploy(make_environment(project, name)) for name in ("staging", "production")]
    assert [lifecycle.claim_deploy(deploy.pk, OWNER).deploy for deploy in deploys] == deploys


def test_a_finished_or_cancelled_deploy_is_not_claimed() -> None:
    ended = make_live(make_environment())
    cancelled = make_deploy(make_environment())
    requests.cancel(cancelled, "ada (#1)")
    for deploy in (ended, cancelled):
        with pytest.raises(LostRace):
            lifecycle.claim_deploy(deploy.pk, OWNER)


def test_a_claim_that_is_lost_leaves_the_fence_of_the_one_that_runs() -> None:
    environment = make_environment()
    running = lifecycle.claim_deploy(make_deploy(environment).pk, OWNER).deploy
    waiting = make_deploy(environment)
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(waiting.pk, "rival")
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(running.pk, "rival")
    environment.refresh_from_db()
    assert environment.fence == running.fence
    lifecycle.renew(running)


def test_a_dead_workers_deploy_is_taken_over_with_a_higher_fence_and_its_plan() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    _expire(deploy)
    claim = lifecycle.claim_deploy(deploy.pk, "rival")
    assert claim.resumed
    assert claim.deploy.fence > deploy.fence
    assert [row.host.name for row in lifecycle.freeze(claim.deploy, [[Listed("other", "127.0.0.9")]])] == [
        "web-1",
        "web-2",
    ]


def test_after_a_takeover_everything_that_the_former_worker_writes_is_refused() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    row = _host(deploy, "web-1")
    row.deploy = deploy
    lifecycle.start_host(row)
    _expire(deploy)
    lifecycle.claim_deploy(deploy.pk, "rival")
    writes: list[Callable[[], object]] = [
        lambda: lifecycle.renew(deploy),
        lambda: lifecycle.note_phase(row, Phase.SWITCHING),
        lambda: lifecycle.append_output(deploy, row.log, b"late", 4),
        lambda: lifecycle.note_migrated(deploy),
        lambda: lifecycle.finish_host(row, Status.SUCCEEDED),
        lambda: lifecycle.finish_deploy(deploy, Status.SUCCEEDED),
    ]
    for write in writes:
        with pytest.raises(LostLease):
            write()
    stored = _host(deploy, "web-1")
    assert (stored.status, stored.phase, stored.switched, stored.log.size) == ("running", "waiting", False, 0)
    assert _stored(deploy).status == Status.RUNNING
    assert _stored(deploy).migrated_at is None


@pytest.mark.django_db(transaction=True)
def test_of_twenty_rivals_one_claims_and_of_two_deploys_one_runs() -> None:
    environment = make_environment()
    deploys = [make_deploy(environment) for _ in range(2)]
    results = race(20, lambda number: lifecycle.claim_deploy(deploys[number % 2].pk, f"rival {number}"))
    assert sum(isinstance(result, DeployClaim) for result in results) == 1
    assert sum(isinstance(result, LostRace) for result in results) == 19
    assert environment.deploys.filter(status=Status.RUNNING).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_ten_rivals_one_takes_a_dead_workers_deploy_over() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    _expire(deploy)
    results = race(10, lambda number: lifecycle.claim_deploy(deploy.pk, f"rival {number}"))
    assert sum(isinstance(result, DeployClaim) for result in results) == 1
    assert _stored(deploy).fence == deploy.fence + 1


# The plan and the hosts


def test_the_plan_is_frozen_once_with_each_host_in_its_wave() -> None:
    deploy = lifecycle.claim_deploy(make_deploy(make_environment()).pk, OWNER).deploy
    waves = [[Listed("web-1", "127.0.9.1", "i-1", 2222)], [Listed("web-2", "127.0.9.2"), Listed("web-3", "127.0.9.3")]]
    rows = lifecycle.freeze(deploy, waves)
    assert [(row.host.name, row.wave, row.status) for row in rows] == [
        ("web-1", 0, "pending"),
        ("web-2", 1, "pending"),
        ("web-3", 1, "pending"),
    ]
    assert len({row.log.pk for row in rows}) == 3
    host = rows[0].host
    assert (host.address, host.external_id, host.port, host.gone_at) == ("127.0.9.1", "i-1", 2222, None)
    assert [row.pk for row in lifecycle.freeze(deploy, [])] == [row.pk for row in rows]


def test_how_carefully_it_goes_is_frozen_as_it_begins_and_kept_in_a_takeover() -> None:
    environment = make_environment(at_once=3, max_failures=2, max_unreachable=1)
    waiting = make_deploy(environment)
    Environment.objects.filter(pk=environment.pk).update(at_once=2)
    deploy = begin_deploy(waiting)
    frozen = Caution(at_once=2, max_failures=0, max_unreachable=1, on_breach="roll_back")  # the spec allows no failure
    assert requests.caution(deploy) == frozen
    Environment.objects.filter(pk=environment.pk).update(at_once=9, max_unreachable=0, on_breach="stop")
    _expire(deploy)
    taken = lifecycle.claim_deploy(deploy.pk, "rival").deploy
    lifecycle.freeze(taken, [])
    assert requests.caution(taken) == requests.caution(_stored(deploy)) == frozen


def test_whether_a_failure_is_rolled_back_is_as_it_was_when_the_deploy_began() -> None:
    environment = make_environment()
    make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    Environment.objects.filter(pk=environment.pk).update(on_breach="stop")
    finish_host(deploy, "web-1", Status.FAILED, "500")
    assert lifecycle.finish_deploy(deploy, Status.FAILED, "500") is not None


def test_a_deploy_replaces_what_is_live_when_it_begins() -> None:
    environment = make_environment()
    make_live(environment)
    first, second = make_deploy(environment), make_deploy(environment)
    finish_deploy(first)
    assert begin_deploy(second).replaces == first.release
    assert _stored(second).replaces == first.release


def test_a_host_that_is_no_longer_listed_is_gone_and_comes_back_with_its_history() -> None:
    environment = make_environment()
    make_live(environment)
    kept = Host.objects.get(environment=environment, name="web-2")
    environment.inventory = {"hosts": [{"name": "web-1", "address": "127.0.9.7"}]}
    environment.save()
    make_live(environment)
    assert Host.objects.get(environment=environment, name="web-1").address == "127.0.9.7"
    assert Host.objects.get(pk=kept.pk).gone_at is not None
    environment.inventory = {"hosts": [{"name": "web-2", "address": "127.0.9.2"}]}
    environment.save()
    make_live(environment)
    assert Host.objects.get(environment=environment, name="web-2") == kept
    assert Host.objects.get(pk=kept.pk).gone_at is None


def test_the_rollback_of_a_failed_deploy_touches_some_hosts_and_declares_none_gone() -> None:
    environment = make_environment()
    make_live(environment)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    rollback = lifecycle.claim_deploy(Deploy.objects.get(undoes=failed).pk, OWNER).deploy
    lifecycle.freeze(rollback, [[Listed("web-1", "127.0.9.1")]])
    assert not environment.hosts.exclude(gone_at=None).exists()


def test_freezing_many_hosts_takes_few_statements(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    deploy = lifecycle.claim_deploy(make_deploy(make_environment()).pk, OWNER).deploy
    listed = [Listed(f"web-{number}", f"127.0.8.{number}") for number in range(100)]
    with django_assert_max_num_queries(220):  # a log and a ledger row each, and what all share
        assert len(lifecycle.freeze(deploy, [listed])) == 100


def test_a_host_goes_through_its_phases_and_shows_what_it_runs() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    row = finish_host(deploy, "web-1")
    host = Host.objects.get(pk=row.host_id)
    stored = _host(deploy, "web-1")
    assert (stored.status, stored.phase, stored.switched) == ("succeeded", "done", True)
    assert (host.release, host.healthy) == (deploy.release, True)
    assert b"uploading" in b"".join(store.read(stored.log))
    assert stored.log.closed_at is not None


def test_a_host_that_failed_before_the_switch_still_runs_what_it_ran() -> None:
    environment = make_environment()
    good = make_live(environment).release
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1", Status.FAILED, "disk full", phase=Phase.UPLOADING)
    host = environment.hosts.get(name="web-1")
    assert (host.release, host.healthy) == (good, True)
    assert _host(deploy, "web-1").phase == Phase.UPLOADING


def test_a_host_that_failed_after_the_switch_is_unhealthy_and_says_why() -> None:
    environment = make_environment()
    make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1", Status.FAILED, "health check said 500")
    host = environment.hosts.get(name="web-1")
    assert (host.release, host.healthy, host.health_detail) == (deploy.release, False, "health check said 500")


def test_a_switch_is_noted_before_it_is_made_and_stays_noted() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    row = _host(deploy, "web-1")
    row.deploy = deploy
    lifecycle.start_host(row)
    lifecycle.note_phase(row, Phase.SWITCHING)
    assert _host(deploy, "web-1").switched
    lifecycle.note_phase(row, Phase.HEALTH)
    assert _host(deploy, "web-1").switched


def test_migrating_is_noted_once_it_is_done() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    lifecycle.note_migrated(deploy)
    assert _stored(deploy).migrated_at is not None


def test_output_of_the_deploy_and_of_its_hosts_lie_in_their_own_logs() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    row = _host(deploy, "web-1")
    lifecycle.append_output(deploy, deploy.log, b"plan\n", 5)
    lifecycle.append_output(deploy, row.log, b"upload\n", 7)
    assert b"".join(store.read(Log.objects.get(pk=deploy.log_id))) == b"plan\n"
    assert b"".join(store.read(Log.objects.get(pk=row.log_id))) == b"upload\n"


# Ends


def test_a_success_makes_the_release_live() -> None:
    environment = make_environment()
    deploy = make_live(environment)
    environment.refresh_from_db()
    assert environment.current == deploy.release
    assert deploy.status == Status.SUCCEEDED
    assert deploy.log.closed_at is not None


def test_a_failure_leaves_the_live_release_and_skips_the_hosts_that_had_no_turn() -> None:
    environment = make_environment()
    good = make_live(environment).release
    failed = finish_deploy(make_deploy(environment), Status.FAILED, "web-1 is not healthy")
    environment.refresh_from_db()
    assert environment.current == good
    assert (failed.status, failed.reason) == (Status.FAILED, "web-1 is not healthy")
    skipped = _host(failed, "web-2")
    assert (skipped.status, skipped.reason) == (Status.SKIPPED, "the deploy ended before its turn")
    assert skipped.log.closed_at is not None


def test_a_deploy_that_breaks_off_leaves_no_host_running_and_claims_to_know_nothing_of_it() -> None:
    environment = make_environment()
    make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    row = _host(deploy, "web-1")
    row.deploy = deploy
    lifecycle.start_host(row)
    lifecycle.note_phase(row, Phase.SWITCHING)
    rollback = lifecycle.finish_deploy(deploy, Status.ERRORED, "our machinery broke")
    assert _host(deploy, "web-1").status == Status.ERRORED
    host = environment.hosts.get(name="web-1")
    assert (host.release, host.healthy) == (deploy.release, None)
    assert rollback is not None
    assert not HostDeploy.objects.filter(deploy=deploy, finished_at=None).exists()


def test_a_failure_before_any_switch_needs_no_rollback() -> None:
    environment = make_environment()
    make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1", Status.FAILED, "disk full", phase=Phase.UPLOADING)
    assert lifecycle.finish_deploy(deploy, Status.FAILED, "disk full") is None
    deploy.release.refresh_from_db()
    assert deploy.release.quarantined_at is None


def test_a_failure_and_its_rollback_are_written_together_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment()
    make_live(environment)
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1", Status.FAILED, "500")

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(rollbacks, "insert", breaks)
    with pytest.raises(ZeroDivisionError):
        lifecycle.finish_deploy(deploy, Status.FAILED, "500")
    monkeypatch.undo()
    assert _stored(deploy).status == Status.RUNNING
    deploy.refresh_from_db()
    rollback = lifecycle.finish_deploy(deploy, Status.FAILED, "500")
    assert _stored(deploy).status == Status.FAILED
    assert rollback is not None
    assert rollback.undoes == deploy
    assert lifecycle.claim_deploy(rollback.pk, OWNER).deploy == rollback


def test_the_rollback_goes_before_deploys_that_already_waited() -> None:
    environment = make_environment()
    make_live(environment)
    failing = make_deploy(environment)
    waiting = make_deploy(environment)
    finish_deploy(failing, Status.FAILED)
    with pytest.raises(LostRace):
        lifecycle.claim_deploy(waiting.pk, OWNER)
    assert lifecycle.claim_deploy(Deploy.objects.get(undoes=failing).pk, OWNER)


def test_what_waits_to_deploy_the_release_that_failed_is_cancelled() -> None:
    environment = make_environment()
    make_live(environment)
    bad = make_release(environment.project)
    failing, again = make_deploy(environment, bad), make_deploy(environment, bad)
    finish_deploy(failing, Status.FAILED)
    assert _stored(again).status == Status.CANCELLED


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_the_chat_hears_how_a_deploy_ended_where_a_project_has_one(status: Status) -> None:
    finish_deploy(make_deploy(make_environment()), status)
    assert not Message.objects.exists()
    environment = make_environment(make_project(chat_channel="#shop"))
    finish_deploy(make_deploy(environment), status)
    message = Message.objects.get()
    assert message.transition is not None
    assert (message.channel, message.transition.to_status) == (Channel.CHAT, status)


@pytest.mark.django_db(transaction=True)
def test_two_deploys_that_wait_are_performed_one_after_the_other_by_many_workers() -> None:
    environment = make_environment()
    deploys = [make_deploy(environment) for _ in range(4)]

    def work(number: int) -> list[int]:
        done = []
        for _ in range(40):
            for deploy in deploys:
                try:
                    claimed = lifecycle.claim_deploy(deploy.pk, f"worker {number}").deploy
                except LostRace:
                    continue
                lifecycle.finish_deploy(claimed, Status.SUCCEEDED)
                done.append(deploy.pk)
        return done

    results = race(3, work)
    done = [pk for result in results if isinstance(result, list) for pk in result]
    assert sorted(done) == [deploy.pk for deploy in deploys]
    began = Deploy.objects.filter(pk__in=done).order_by("started_at").values_list("pk", flat=True)
    assert list(began) == [deploy.pk for deploy in deploys]
    assert Environment.objects.get(pk=environment.pk).current == deploys[-1].release


@pytest.mark.django_db(transaction=True)
def test_an_end_and_the_claims_that_wait_for_it_never_wait_for_each_other() -> None:
    environment = make_environment()
    make_live(environment)
    for _ in range(10):
        running = begin_deploy(make_deploy(environment))
        finish_host(running, "web-1", Status.FAILED, "500")
        waiting = make_deploy(environment, running.release)

        def end_or_claim(number: int, running: Deploy = running, waiting: Deploy = waiting) -> None:
            if number == 0:
                lifecycle.finish_deploy(running, Status.FAILED, "500")
                return
            for _ in range(6):
                with suppress(LostRace):
                    lifecycle.claim_deploy((running if number % 2 else waiting).pk, "rival")

        assert race(5, end_or_claim) == [None] * 5
        assert _stored(waiting).status == Status.CANCELLED
        finish_deploy(Deploy.objects.get(undoes=running))
