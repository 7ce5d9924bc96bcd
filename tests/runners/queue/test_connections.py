"""Two profiles of one Redis: rings give up at once, workers ride out a restart."""

import threading
from pathlib import Path

import pytest
import redis

from runners.queue.connections import UnsafeRedis, answers, refuse_unsafe, ring_connection, worker_connection
from tests.lab.pace import quickest_seconds
from tests.lab.redis_server import OwnRedis


def test_a_redis_that_evicts_is_refused_and_the_remedy_named(connection: redis.Redis) -> None:
    refuse_unsafe(connection)
    connection.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(UnsafeRedis, match="maxmemory-policy noeviction"):
        refuse_unsafe(connection)


def test_it_is_known_whether_redis_answers(own_redis: OwnRedis) -> None:
    assert answers()
    own_redis.stop()
    assert not answers()
    assert Path(own_redis.socket).exists(), "a killed Redis leaves its socket, which says nothing"


def test_a_ring_gives_up_at_once_on_a_frozen_redis(own_redis: OwnRedis) -> None:
    own_redis.freeze()
    assert quickest_seconds(_fail_to_ring, 1) < 1
    own_redis.thaw()


def test_a_ring_gives_up_at_once_on_a_dead_redis(own_redis: OwnRedis) -> None:
    own_redis.stop()
    assert quickest_seconds(_fail_to_ring, 1) < 1


def _fail_to_ring() -> None:
    with pytest.raises(redis.RedisError):
        ring_connection().ping()


def test_a_worker_rides_out_a_restart(own_redis: OwnRedis) -> None:
    connection = worker_connection()
    connection.ping()
    own_redis.stop()
    restart = threading.Timer(0.7, own_redis.start)
    restart.start()
    assert connection.ping()
    restart.join()
