"""The one door to Redis on this side, in two profiles."""

import redis
from django.conf import settings
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from pipelines.errors import SystemFault

RING_TIMEOUT_SECONDS = 0.1


class UnsafeRedis(SystemFault):
    """This Redis may throw queued work away."""


def ring_connection() -> redis.Redis:
    """For ringing: gives up at once, because whatever is missed is rung again by the reconciler."""
    connection = redis.Redis.from_url(
        settings.SLIPWAY_REDIS_URL,
        socket_timeout=RING_TIMEOUT_SECONDS,
        socket_connect_timeout=RING_TIMEOUT_SECONDS,
    )
    connection.set_retry(Retry(ExponentialBackoff(cap=0.01, base=0.01), 0))
    return connection


def worker_connection() -> redis.Redis:
    """For workers: rides out a restart of Redis. RQ sets the timeouts of its blocking reads itself."""
    connection = redis.Redis.from_url(settings.SLIPWAY_REDIS_URL, socket_connect_timeout=5)
    connection.set_retry(Retry(ExponentialBackoff(cap=2, base=0.05), 60))
    return connection


def answers() -> bool:
    """Whether the configured Redis is there and has loaded its data."""
    connection = ring_connection()
    try:
        return bool(connection.ping())
    except redis.RedisError:
        return False
    finally:
        connection.close()


def refuse_unsafe(connection: redis.Redis) -> None:
    """Raises UnsafeRedis for an eviction policy that deletes queued jobs without a word."""
    policy = connection.info("memory").get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise UnsafeRedis(
            f"Redis evicts keys ({policy}): it would lose queued work silently. Set maxmemory-policy noeviction."
        )
