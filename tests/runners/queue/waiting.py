"""What waits in a queue, and waiting until something is so."""

import time
from collections.abc import Callable

import redis

from runners.queue.queues import Line, queue


def waiting(connection: redis.Redis, line: Line) -> list[tuple[str, int]]:
    """Name and row of every job that waits, in order."""
    jobs = queue(line, connection).get_jobs()
    return [(str(job.func_name).rpartition(".")[2], int(job.args[0])) for job in jobs]


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it came to hold in time."""
    give_up_at = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return held
