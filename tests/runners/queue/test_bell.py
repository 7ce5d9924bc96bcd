"""Rings: delivered when Redis is there, and nobody waits when it is not."""

import os
import time

import pytest
import redis

from runners.queue import bell as bells
from runners.queue import jobs
from runners.queue.bell import BURST, PAUSE_SECONDS, Bell
from runners.queue.connections import RING_TIMEOUT_SECONDS
from runners.queue.queues import Line
from tests.lab.redis_server import OwnRedis
from tests.runners.queue.waiting import until, waiting

RINGS = 1000
AT_ONCE_SECONDS = RINGS * RING_TIMEOUT_SECONDS / 10  # whoever waited for Redis would wait ten times as long


def _ring_takes_seconds(bell: Bell) -> float:
    started_at = time.monotonic()
    for row in range(RINGS):
        bell.ring(Line.PLAN, jobs.plan_run, row)
    return time.monotonic() - started_at


def _rings_arrive(bell: Bell, connection: redis.Redis) -> bool:
    """After a ring that failed nothing is tried for a while, so it is rung more than once."""

    def rung() -> bool:
        bell.ring(Line.STAGE, jobs.run_stage, 9)
        return until(lambda: ("run_stage", 9) in waiting(connection, Line.STAGE), PAUSE_SECONDS)

    return until(rung)


@pytest.mark.usefixtures("patient_rings")
def test_a_ring_arrives_with_its_row_in_the_queue_of_its_line(connection: redis.Redis) -> None:
    Bell().ring(Line.STAGE, jobs.run_stage, 41)
    assert until(lambda: waiting(connection, Line.STAGE) == [("run_stage", 41)])
    assert waiting(connection, Line.CONTROL) == []


@pytest.mark.usefixtures("patient_rings")
def test_a_burst_needs_few_rings_but_no_kind_is_lost(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "GATHER_SECONDS", 0.5)
    bell = Bell()
    for row in range(500):
        bell.ring(Line.PLAN, jobs.plan_run, row)
    bell.ring(Line.CONTROL, jobs.answer_probe, 7)
    bell.ring(Line.DEPLOY, jobs.run_deploy, 8)
    assert until(lambda: waiting(connection, Line.DEPLOY) == [("run_deploy", 8)])
    rung = waiting(connection, Line.PLAN)
    assert waiting(connection, Line.CONTROL) == [("answer_probe", 7)]
    assert ("plan_run", 0) in rung
    assert len(rung) <= 10 * BURST


@pytest.mark.usefixtures("patient_rings")
def test_the_same_ring_twice_at_once_is_delivered_once(
    connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "GATHER_SECONDS", 0.5)
    bell = Bell()
    for _ in range(50):
        bell.ring(Line.STAGE, jobs.run_stage, 1)
    bell.ring(Line.STAGE, jobs.run_stage, 2)
    assert until(lambda: ("run_stage", 2) in waiting(connection, Line.STAGE))
    assert waiting(connection, Line.STAGE).count(("run_stage", 1)) <= 2


def test_nobody_waits_for_a_dead_redis_and_rings_arrive_when_it_is_back(own_redis: OwnRedis) -> None:
    bell = Bell()
    own_redis.stop()
    assert _ring_takes_seconds(bell) < AT_ONCE_SECONDS
    own_redis.start()
    assert _rings_arrive(bell, own_redis.client())


def test_nobody_waits_for_a_frozen_redis_and_rings_arrive_when_it_is_back(own_redis: OwnRedis) -> None:
    bell = Bell()
    bell.ring(Line.STAGE, jobs.run_stage, 1)
    own_redis.freeze()
    assert _ring_takes_seconds(bell) < AT_ONCE_SECONDS
    time.sleep(0.5)
    own_redis.thaw()
    assert _rings_arrive(bell, own_redis.client())


@pytest.mark.usefixtures("patient_rings")
def test_a_forked_process_rings_with_a_thread_of_its_own(connection: redis.Redis) -> None:
    bell = Bell()
    bell.ring(Line.STAGE, jobs.run_stage, 1)
    assert until(lambda: len(waiting(connection, Line.STAGE)) == 1)
    child = os.fork()
    if child == 0:
        bell.ring(Line.STAGE, jobs.run_stage, 2)
        until(lambda: len(waiting(connection, Line.STAGE)) == 2)
        os._exit(0)
    os.waitpid(child, 0)
    assert until(lambda: waiting(connection, Line.STAGE) == [("run_stage", 1), ("run_stage", 2)])
