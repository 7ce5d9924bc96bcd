"""The table of what happens next, and that every commit rings for it."""

import pytest
import redis

from pipelines.deploys import lifecycle as deploying
from pipelines.deploys import waits
from pipelines.deploys.machines import DEPLOY
from pipelines.deploys.models import Waits
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import PROBE, Kind
from pipelines.runs.machines import RUN, STAGE
from pipelines.states.status import Status
from runners.queue import dispatch
from runners.queue.bell import Bell
from runners.queue.queues import Line
from tests.factories import begin_deploy, finish_run, make_deploy, make_environment, make_run
from tests.runners.queue.waiting import until, waiting


@pytest.fixture
def rung(connection: redis.Redis, patient_rings: None, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """Redis, with a bell that rings there; the process's own may have been started for another."""
    monkeypatch.setattr(dispatch, "bell", Bell())
    return connection


def test_every_status_that_something_follows_from_is_one_that_the_subject_can_have() -> None:
    machines = {machine.name: machine for machine in (RUN, STAGE, DEPLOY, PROBE)}
    for subject, status in dispatch.NEXT:
        moves = machines[subject].moves
        assert status in {Status(new) for old in moves.values() for new in old} | set(moves)


def test_what_waits_for_a_worker_is_always_rung_for() -> None:
    assert {(name, Status.QUEUED) for name in ("run", "stage", "deploy", "probe")} <= dispatch.NEXT.keys()


@pytest.mark.django_db(transaction=True)
def test_a_push_its_stages_and_its_success_each_ring(rung: redis.Redis) -> None:
    run = make_run()
    assert until(lambda: ("plan_run", run.pk) in waiting(rung, Line.PLAN))
    build, test = run.stages.order_by("position").values_list("pk", flat=True)
    assert until(lambda: waiting(rung, Line.STAGE) == [("run_stage", build)])
    finish_run(run)
    assert until(lambda: ("run_stage", test) in waiting(rung, Line.STAGE))
    assert until(lambda: ("release_run", run.pk) in waiting(rung, Line.CONTROL))


@pytest.mark.django_db(transaction=True)
def test_a_probe_rings(rung: redis.Redis) -> None:
    probe = probes.ask(Kind.INVENTORY, 1, "ada (#1)")
    assert until(lambda: ("answer_probe", probe.pk) in waiting(rung, Line.CONTROL))


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_deploy_rings_for_the_next_of_its_environment(rung: redis.Redis) -> None:
    environment = make_environment()
    first = make_deploy(environment)
    second = make_deploy(environment)
    deploy = begin_deploy(first)
    assert until(lambda: ("run_deploy", second.pk) in waiting(rung, Line.DEPLOY))
    rung.flushall()
    deploying.finish_deploy(deploy, Status.SUCCEEDED)
    assert until(lambda: waiting(rung, Line.DEPLOY) == [("run_deploy", second.pk)])


@pytest.mark.django_db(transaction=True)
def test_a_deploy_that_is_put_back_lets_the_next_of_its_environment_begin(rung: redis.Redis) -> None:
    environment = make_environment()
    deploy = begin_deploy(make_deploy(environment))
    second = make_deploy(environment)
    assert until(lambda: ("run_deploy", second.pk) in waiting(rung, Line.DEPLOY))
    rung.flushall()
    waits.put_back(deploy, Waits.HOSTS, "hosts are missing")
    assert until(lambda: waiting(rung, Line.DEPLOY) == [("run_deploy", second.pk)])


@pytest.mark.django_db(transaction=True)
def test_a_deploy_that_goes_on_is_rung_for_again(rung: redis.Redis) -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    waits.wait(deploy, Waits.PAUSE, "a person pauses")
    rung.flushall()
    waits.go_on(deploy, "ada (#1)")
    assert until(lambda: waiting(rung, Line.DEPLOY) == [("run_deploy", deploy.pk)])
