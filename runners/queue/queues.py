"""The queues: one name for each kind of worker, so that a deploy never waits behind builds."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import redis
from rq import Queue
from rq.serializers import JSONSerializer

# Beyond every deadline of our own: RQ must never be the one that ends a stage or a deploy.
JOB_TIMEOUT_SECONDS = 25 * 3600
FAILURE_TTL_SECONDS = 24 * 3600


class Line(StrEnum):
    """A queue."""

    CONTROL = "control"
    PLAN = "plan"
    STAGE = "stage"
    DEPLOY = "deploy"


# Kind of worker → the queues that it serves, each before those behind it: a burst of pushes is planned when no release
# and no question of a page waits.
SERVED: Mapping[str, Sequence[Line]] = {
    "control": (Line.CONTROL, Line.PLAN),
    "stage": (Line.STAGE,),
    "deploy": (Line.DEPLOY,),
}


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
        job_id=f"{_sort(job, first)}-{row_id}-{secrets.token_hex(6)}",
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
    """Ring for those rows that no waiting ring of this sort stands for; returns how often.

    Of a sort that is not `first` no more than `at_most` wait: whoever hears one goes on with others. What goes first is
    always rung for, and once, however much waits behind it.
    """
    if not rows:
        return 0
    known = _waiting(queue(line, connection), _sort(job, first))
    fresh = [row for row in rows if row not in known]
    if not first:
        fresh = fresh[: max(at_most - len(known), 0)]
    for row in fresh:
        enqueue(connection, line, job, row, first=first)
    return len(fresh)


def _sort(job: Callable[[int], None], first: bool) -> str:
    return f"{job.__name__}-first" if first else job.__name__


def _waiting(line: Queue, sort: str) -> set[int]:
    """Rows of the waiting rings of one sort: their ids say it, so that no job has to be read."""
    named = [job_id.rsplit("-", 2) for job_id in line.get_job_ids()]
    return {int(parts[1]) for parts in named if len(parts) == 3 and parts[0] == sort}
