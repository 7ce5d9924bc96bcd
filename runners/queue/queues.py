"""The queues: one name for each kind of worker, so that a deploy never waits behind builds."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import redis
from rq import Queue
from rq.serializers import JSONSerializer

# Beyond every deadline of our own: RQ must never be the one that ends a stage or a deploy.
JOB_TIMEOUT_SECONDS = 25 * 3600
FAILURE_TTL_SECONDS = 24 * 3600


class Line(StrEnum):
    """A queue and the kind of worker that serves it."""

    CONTROL = "control"
    STAGE = "stage"
    DEPLOY = "deploy"


def queue(line: Line, connection: redis.Redis) -> Queue:
    return Queue(line, connection=connection, serializer=JSONSerializer, default_timeout=JOB_TIMEOUT_SECONDS)


def enqueue(
    connection: redis.Redis, line: Line, job: Callable[[int], None], row_id: int, *, first: bool = False
) -> None:
    """Ring once: a worker of this kind will look at the row, before all others if `first`.

    The job carries the id and nothing else.
    """
    queue(line, connection).enqueue(
        job,
        row_id,
        result_ttl=0,
        failure_ttl=FAILURE_TTL_SECONDS,
        job_timeout=JOB_TIMEOUT_SECONDS,
        at_front=first,
    )


def ring_once(
    connection: redis.Redis,
    line: Line,
    job: Callable[[int], None],
    rows: Sequence[int],
    *,
    at_most: int,
    first: bool = False,
) -> int:
    """Ring for those rows that no waiting job stands for, while fewer than `at_most` jobs wait; returns how often.

    What a busy worker will look at anyway is not rung again.
    """
    if not rows:
        return 0
    name = f"{job.__module__}.{job.__qualname__}"
    waiting = queue(line, connection).get_jobs(0, at_most)
    known = {entry.args[0] for entry in waiting if entry.func_name == name}
    fresh = [row for row in rows if row not in known][: max(at_most - len(waiting), 0)]
    for row in fresh:
        enqueue(connection, line, job, row, first=first)
    return len(fresh)
