"""The reconciler looks at the rows: whatever is due is rung for, whoever lost the first ring."""

from datetime import timedelta

import pytest
import redis
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pipelines.deploys import releases, requests, waits
from pipelines.deploys.models import Deploy, Inspection, Waits
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind, Probe
from pipelines.runs import lifecycle as runs
from pipelines.runs.models import Artifact, Attempt, Run, Stage
from pipelines.spec.model import ApprovalSpec, ConcurrencySpec, PipelineSpec
from pipelines.states import leases
from pipelines.states.status import Status
from runners.queue import jobs, reconciler
from runners.queue.queues import Line
from runners.queue.reconciler import AT_MOST, reconcile
from tests.factories import (
    SPEC,
    begin_deploy,
    finish_stage,
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_release,
    make_rollback,
    make_run,
    make_spec,
    make_stage_spec,
    start_stage,
)
from tests.lab.redis_server import OwnRedis
from tests.runners.queue.waiting import waiting

pytestmark = pytest.mark.django_db


def test_nothing_due_rings_nothing(connection: redis.Redis) -> None:
    assert reconcile(connection) == 0


def test_a_queued_run_is_planned_and_rung_for_once(connection: redis.Redis) -> None:
    run = make_run(spec=None)
    make_red_run()
    assert reconcile(connection) == 1
    assert reconcile(connection) == 0
    assert waiting(connection, Line.PLAN) == [("plan_run", run.pk)]


def test_a_queued_stage_is_rung_for_and_a_pending_one_is_not(connection: redis.Redis) -> None:
    run = make_run()
    reconcile(connection)
    assert waiting(connection, Line.STAGE) == [("run_stage", run.stages.get(name="build").pk)]


def test_a_stage_whose_runner_lives_is_left_alone(connection: redis.Redis) -> None:
    start_stage(make_run())
    assert reconcile(connection) == 0


def test_a_stage_whose_runner_died_goes_before_those_that_wait(connection: redis.Redis) -> None:
    first = start_stage(make_run())
    other = make_run()
    reconcile(connection)
    runs.let_go(first)
    reconcile(connection)
    assert [row for _, row in waiting(connection, Line.STAGE)] == [
        first.stage_id,
        other.stages.get(name="build").pk,
    ]


def test_a_probe_is_rung_for_and_a_lost_one_ended(connection: redis.Redis) -> None:
    asked = probes.ask(Kind.INVENTORY, 2, "ada (#1)")
    lost = probes.claim(probes.ask(Kind.INVENTORY, 1, "ada (#1)").pk, "worker")
    Probe.objects.filter(pk=lost.pk).update(lease_until=leases.until(-1))
    reconcile(connection)
    assert waiting(connection, Line.CONTROL) == [("answer_probe", asked.pk)]
    assert Probe.objects.get(pk=lost.pk).status == Status.ERRORED


def test_a_run_whose_worker_died_between_verdict_and_what_follows_goes_on(connection: redis.Redis) -> None:
    run = make_run()
    finish_stage(run, "build")
    Stage.objects.filter(run=run, name="test").update(**{"status": Status.PENDING})
    reconcile(connection)
    assert Stage.objects.get(run=run, name="test").status == Status.QUEUED
    Stage.objects.filter(run=run).update(**{"status": Status.SUCCEEDED})
    reconcile(connection)
    assert Run.objects.get(pk=run.pk).status == Status.SUCCEEDED


def test_however_many_runs_go_on_a_newer_one_that_is_stuck_goes_on_too(connection: redis.Redis) -> None:
    project = make_project()
    for _ in range(AT_MOST + 5):
        start_stage(make_run(project))
    stuck = make_run(project)
    finish_stage(stuck, "build")
    Stage.objects.filter(run=stuck, name="test").update(**{"status": Status.PENDING})
    reconcile(connection)
    assert Stage.objects.get(run=stuck, name="test").status == Status.QUEUED


def test_a_run_that_cannot_be_settled_keeps_no_deploy(
    connection: redis.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = make_run()
    Stage.objects.filter(run=stuck).update(**{"status": Status.SUCCEEDED})
    deploy, settle = make_deploy(make_live(make_environment()).environment), runs.settle

    def settle_others(run_id: int) -> object:
        if run_id == stuck.pk:
            raise RuntimeError("it broke")
        return settle(run_id)

    monkeypatch.setattr(runs, "settle", settle_others)
    reconcile(connection)
    assert ("run_deploy", deploy.pk) in waiting(connection, Line.DEPLOY)
    assert f"run {stuck.pk} cannot be settled" in caplog.text


def test_runs_that_go_on_are_not_written_to(
    connection: redis.Redis, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(10):
        start_stage(make_run())
    with django_assert_max_num_queries(16):
        reconcile(connection)


def test_a_green_run_without_its_release_is_rung_for(connection: redis.Redis) -> None:
    run = make_green_run()
    assert reconcile(connection) == 1
    assert waiting(connection, Line.CONTROL) == [("release_run", run.pk)]


def test_however_many_green_runs_get_no_release_a_newer_one_is_rung_for(
    connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "AT_MOST", 2)
    project = make_project()
    for _ in range(3):
        make_green_run(project)
    Artifact.objects.all().delete()
    run = make_green_run(project)
    reconcile(connection)
    assert waiting(connection, Line.CONTROL) == [("release_run", run.pk)]


def test_what_gets_no_release_is_not_rung_for_again_and_again(connection: redis.Redis) -> None:
    make_green_run(spec=SPEC.partition("deploy:")[0])
    without_artifact = make_green_run()
    Artifact.objects.filter(attempt__stage__run=without_artifact).delete()
    make_red_run()
    make_release()
    long_ago = make_green_run()
    Run.objects.filter(pk=long_ago.pk).update(finished_at=timezone.now() - timedelta(days=1))
    assert reconcile(connection) == 0


def test_the_head_of_each_environments_queue_is_rung_for(connection: redis.Redis) -> None:
    project = make_project()
    staging, production = (make_environment(project, name) for name in ("staging", "production"))
    first = make_deploy(staging)
    make_deploy(staging)
    make_deploy(production)
    urgent = make_rollback(production, make_release(project))
    for run in Run.objects.all():
        releases.release(run)
    reconcile(connection)
    assert sorted(row for _, row in waiting(connection, Line.DEPLOY)) == sorted([first.pk, urgent.pk])


def test_an_environment_where_a_deploy_runs_is_left_alone_until_its_worker_dies(connection: redis.Redis) -> None:
    environment = make_environment()
    running = begin_deploy(make_deploy(environment))
    make_deploy(environment)
    reconcile(connection)
    assert waiting(connection, Line.DEPLOY) == []
    Deploy.objects.filter(pk=running.pk).update(lease_until=leases.until(-1))
    reconcile(connection)
    assert waiting(connection, Line.DEPLOY) == [("run_deploy", running.pk)]


def test_a_deploy_that_waits_in_its_middle_is_woken_when_its_time_has_come(connection: redis.Redis) -> None:
    environment = make_environment()
    deploy = begin_deploy(make_deploy(environment))
    make_deploy(environment)
    waits.wait(deploy, Waits.BAKE, "wave 1 bakes", timezone.now() + timedelta(hours=1))
    reconcile(connection)
    assert waiting(connection, Line.DEPLOY) == []
    Deploy.objects.filter(pk=deploy.pk).update(waits_until=timezone.now() - timedelta(seconds=1))
    reconcile(connection)
    assert waiting(connection, Line.DEPLOY) == [("run_deploy", deploy.pk)]


@pytest.mark.django_db(transaction=True)
def test_hosts_are_compared_with_the_record_every_so_often(connection: redis.Redis) -> None:
    environment = make_environment()
    make_live(environment)
    reconcile(connection)
    due = Inspection.objects.get(environment=environment)
    assert ("inspect", due.pk) in waiting(connection, Line.CONTROL)
    jobs.inspect(due.pk)  # its hosts are out of reach: that is a finding as well
    assert environment.hosts.filter(facts__has_key="unreachable").count() == 2
    connection.flushdb()
    reconcile(connection)
    assert ("inspect", due.pk) not in waiting(connection, Line.CONTROL)


def test_a_cancelled_deploy_is_not_rung_for(connection: redis.Redis) -> None:
    deploy = make_deploy(make_environment())
    requests.cancel(deploy, "ada (#1)")
    reconcile(connection)
    assert waiting(connection, Line.DEPLOY) == []


def test_without_redis_the_rows_are_still_looked_after(own_redis: OwnRedis) -> None:
    run = make_run()
    finish_stage(run, "build")
    Stage.objects.filter(run=run, name="test").update(**{"status": Status.PENDING})
    client = own_redis.client()
    own_redis.stop()
    with pytest.raises(redis.RedisError):
        reconcile(client)
    assert Stage.objects.get(run=run, name="test").status == Status.QUEUED
    own_redis.start()
    reconcile(client)
    assert len(waiting(client, Line.STAGE)) == 1


def test_what_redis_forgot_is_rung_for_again(connection: redis.Redis) -> None:
    make_run(spec=None)
    attempt = start_stage(make_run())
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=leases.until(-1))
    assert reconcile(connection) == 2
    connection.flushall()
    assert reconcile(connection) == 2


# What waits for more than a worker


def _deploying(cancel: str = "none") -> PipelineSpec:
    return make_spec(make_stage_spec("deploy", concurrency=ConcurrencySpec("deploy", cancel=cancel)))


def test_a_stage_whose_group_is_full_is_rung_for_when_a_place_is_free(connection: redis.Redis) -> None:
    project = make_project()
    first, second = make_run(project, spec=_deploying()), make_run(project, spec=_deploying())
    attempt = start_stage(first)
    assert reconcile(connection) == 0
    runs.finish_attempt(attempt, Status.SUCCEEDED, exit_code=0)
    reconcile(connection)
    assert waiting(connection, Line.STAGE) == [("run_stage", second.stages.get().pk)]


def test_a_stage_that_is_tried_again_is_rung_for_when_its_pause_is_over(connection: redis.Redis) -> None:
    run = make_run()
    runs.finish_attempt(start_stage(run), Status.ERRORED, reason="the engine is gone")
    assert reconcile(connection) == 0
    stage = run.stages.get(name="build")
    Stage.objects.filter(pk=stage.pk).update(ready_at=leases.until(-1))
    reconcile(connection)
    assert waiting(connection, Line.STAGE) == [("run_stage", stage.pk)]


def test_a_stage_that_waits_for_people_is_not_rung_for(connection: redis.Redis) -> None:
    run = make_run(spec=make_spec(make_stage_spec("gate", approval=ApprovalSpec())))
    assert run.stages.get().status == Status.BLOCKED
    assert reconcile(connection) == 0


def test_a_stage_that_came_to_the_queue_as_its_run_was_cancelled_is_ended(connection: redis.Redis) -> None:
    run = make_run()
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=timezone.now(), cancel_why="cancelled by ada (#1)")
    assert reconcile(connection) == 0
    run.refresh_from_db()
    assert run.status == Status.CANCELLED


def test_room_that_a_newcomer_died_before_it_made_is_made(connection: redis.Redis) -> None:
    project = make_project()
    older, newer = make_run(project, spec=_deploying()), make_run(project, spec=_deploying())
    Stage.objects.filter(run=newer).update(group_cancel="pending")
    reconcile(connection)
    older.refresh_from_db()
    assert (older.status, older.stages.get().reason) == (Status.CANCELLED, f"superseded by run {newer.number}")
    assert waiting(connection, Line.STAGE) == [("run_stage", newer.stages.get().pk)]
