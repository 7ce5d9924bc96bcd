"""Jobs in Redis: one id each, as JSON, once while they wait."""

import json
import zlib

import redis

from runners.queue import jobs
from runners.queue.queues import JOB_TIMEOUT_SECONDS, Line, enqueue, queue, ring_once
from tests.runners.queue.waiting import waiting


def test_a_job_carries_one_id_and_can_be_read_as_json(connection: redis.Redis) -> None:
    enqueue(connection, Line.STAGE, jobs.run_stage, 41)
    (job,) = queue(Line.STAGE, connection).get_jobs()
    assert job.timeout == JOB_TIMEOUT_SECONDS
    assert job.result_ttl == 0
    stored = connection.hget(f"rq:job:{job.id}", "data")
    assert isinstance(stored, bytes)
    assert json.loads(zlib.decompress(stored)) == ["runners.queue.jobs.run_stage", None, [41], {}]


def test_what_waits_already_is_not_rung_again(connection: redis.Redis) -> None:
    assert ring_once(connection, Line.STAGE, jobs.run_stage, [1, 2], at_most=50) == 2
    assert ring_once(connection, Line.STAGE, jobs.run_stage, [1, 2, 3], at_most=50) == 1
    assert [row for _, row in waiting(connection, Line.STAGE)] == [1, 2, 3]


def test_another_kind_of_job_with_the_same_row_stands_for_nothing(connection: redis.Redis) -> None:
    ring_once(connection, Line.CONTROL, jobs.answer_probe, [5], at_most=50)
    assert ring_once(connection, Line.CONTROL, jobs.release_run, [5], at_most=50) == 1
    assert waiting(connection, Line.CONTROL) == [("answer_probe", 5), ("release_run", 5)]


def test_however_much_of_another_kind_waits_there_is_room(connection: redis.Redis) -> None:
    ring_once(connection, Line.CONTROL, jobs.release_run, list(range(20)), at_most=20)
    assert ring_once(connection, Line.CONTROL, jobs.answer_probe, [5], at_most=20) == 1


def test_however_much_waits_what_was_lost_is_rung_for_and_once(connection: redis.Redis) -> None:
    ring_once(connection, Line.STAGE, jobs.run_stage, list(range(20)), at_most=20)
    assert ring_once(connection, Line.STAGE, jobs.run_stage, [19, 77], at_most=20, first=True) == 2
    assert {row for _, row in waiting(connection, Line.STAGE)[:2]} == {19, 77}
    assert ring_once(connection, Line.STAGE, jobs.run_stage, [19, 77], at_most=20, first=True) == 0


def test_what_others_have_put_into_the_queue_is_no_ring_of_ours(connection: redis.Redis) -> None:
    queue(Line.STAGE, connection).enqueue(jobs.run_stage, 5)
    assert ring_once(connection, Line.STAGE, jobs.run_stage, [5], at_most=50) == 1


def test_a_queue_that_nobody_serves_does_not_grow(connection: redis.Redis) -> None:
    for first in range(0, 100, 10):
        ring_once(connection, Line.STAGE, jobs.run_stage, list(range(first, first + 10)), at_most=25)
    assert len(waiting(connection, Line.STAGE)) == 25


def test_what_was_lost_goes_before_what_nobody_has_begun(connection: redis.Redis) -> None:
    ring_once(connection, Line.STAGE, jobs.run_stage, [1, 2], at_most=50)
    ring_once(connection, Line.STAGE, jobs.run_stage, [3], at_most=50, first=True)
    assert [row for _, row in waiting(connection, Line.STAGE)] == [3, 1, 2]
