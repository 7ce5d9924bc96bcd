"""Rings without making anybody wait: a web request must answer as fast when Redis is dead or frozen."""

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Callable

import redis

from runners.queue.connections import ring_connection
from runners.queue.queues import Line, enqueue

logger = logging.getLogger(__name__)

Ring = tuple[Line, Callable[[int], None], int]

PAUSE_SECONDS = 1.0  # after a failed ring nothing is tried for so long
GATHER_SECONDS = 0.01  # rings that come together are looked at together
# Who has planned a run or performed a stage goes on with what waits, so a burst needs few rings; of other work the rest
# is rung for by the reconciler.
BURST = 4


class Bell:
    """A daemon thread that enqueues what it is handed; everything it cannot deliver is dropped for the reconciler."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Ring] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pid = 0
        self._quiet_until = 0.0

    def ring(self, line: Line, job: Callable[[int], None], row_id: int) -> None:
        self._start()
        self._waiting.put((line, job, row_id))

    def drain(self, seconds: float = 0.5) -> None:
        """Give the thread a moment to deliver; called when the process ends."""
        until = time.monotonic() + seconds
        while not self._waiting.empty() and time.monotonic() < until:
            time.sleep(0.005)

    def _start(self) -> None:
        """A thread does not survive a fork: each process starts its own, when it first rings."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._waiting = queue.SimpleQueue()
                threading.Thread(target=self._run, name="bell", daemon=True).start()
                atexit.register(self.drain)
                self._pid = os.getpid()

    def _run(self) -> None:
        connection = ring_connection()
        while True:
            for ring in self._gather():
                self._deliver(connection, ring)

    def _gather(self) -> list[Ring]:
        """Everything that waits, but of each kind no more than a burst needs."""
        rings = [self._waiting.get()]
        if not self._waiting.empty():
            time.sleep(GATHER_SECONDS)
        while not self._waiting.empty():
            rings.append(self._waiting.get())
        kept: dict[Callable[[int], None], list[Ring]] = {}
        for ring in dict.fromkeys(rings):
            kept.setdefault(ring[1], []).append(ring)
        return [ring for same in kept.values() for ring in same[:BURST]]

    def _deliver(self, connection: redis.Redis, ring: Ring) -> None:
        if time.monotonic() < self._quiet_until:
            return
        try:
            enqueue(connection, *ring)
        except redis.RedisError as error:
            self._quiet_until = time.monotonic() + PAUSE_SECONDS
            logger.warning("could not ring %s %s (%s); the reconciler will", ring[1].__name__, ring[2], error)


bell = Bell()
