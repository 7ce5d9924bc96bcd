"""A worker process: serves the queues of its kind, performs one job at a time, and can be killed at any moment."""

import ctypes
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import cast

from django.db import DatabaseError, close_old_connections
from django.db import connection as django_connection
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from pipelines.errors import PipelineError
from runners.queue import interruption, owner
from runners.queue.connections import refuse_unsafe, worker_connection
from runners.queue.presence import presence
from runners.queue.queues import SERVED, Line, enqueue, queue

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
SWEEP_SECONDS = 20.0
CLEARING_SECONDS = 5.0
LOOK_SECONDS = 3  # so often an idle worker looks whether it shall drain
DRAINING_SECONDS = 1.0  # so often a draining one, whether it may work again
DRAINED = 75  # exit status of who has drained and leaves: it is not started again
PLANNING_NICENESS = 5  # a burst of pushes is first of all received
# What each kind of worker needs for its work: loaded when it starts, so that no push has to wait for it.
STORIES = {
    "control": "runners.planning",
    "stage": "runners.containers.stage",
    "deploy": "runners.hosts.deploy",
}


class Worker(SimpleWorker):
    """Performs jobs in its own process: there is no forked child that could outlive it and run on unseen.

    On SIGTERM it lets go of what it does (the container or host goes on, another worker takes over) and ends. While it
    drains it takes nothing new; if that was asked for, it then ends with the status DRAINED.
    """

    kind = ""
    is_present = False
    has_drained = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stop_requested = True
        interruption.interrupt()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job; None when it is to end. Every few seconds it looks whether it drains."""
        if not self.is_present:  # only now, as it hears when it is told to end, and so takes its leave
            self.is_present = True
            presence.begin(self.kind)
        while not self._stop_requested:
            if not _is_draining():
                found = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time or LOOK_SECONDS)
                if found is not None or max_idle_time is not None:
                    return found
            elif presence.leaves():
                self.has_drained = True
                return None
            else:
                self.heartbeat()
                time.sleep(DRAINING_SECONDS)
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """What it hears of in the moment in which it begins to drain, somebody else shall hear of."""
        if not _is_draining():
            super().execute_job(job, queue)
            return
        enqueue(self.connection, Line(queue.name), cast("Callable[[int], None]", job.func), job.args[0])
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        job.delete()


def serve(kind: str) -> int:
    """Perform the jobs of one kind of worker until told to stop; gives the status to end with."""
    if Line.PLAN in SERVED[kind]:
        os.nice(PLANNING_NICENESS)
    import_module(STORIES[kind])
    connection = worker_connection()
    refuse_unsafe(connection)
    worker = Worker(
        [queue(line, connection) for line in SERVED[kind]],
        # Never a name of before: a container that is started again has its host name and pid once more, and RQ refuses
        # for minutes to let a worker in that bears the name of a killed one.
        name=f"{kind}-{owner.host()}-{os.getpid()}-{secrets.token_hex(4)}",
        connection=connection,
        serializer=JSONSerializer,
        log_job_description=False,
    )
    worker.log_result_lifespan = False
    if Line.STAGE in SERVED[kind]:
        threading.Thread(target=_sweep_now_and_then, name="sweeper", daemon=True).start()
    worker.kind = kind
    try:
        worker.work(logging_level="WARNING")
    finally:
        presence.end()
        if Line.STAGE in SERVED[kind]:
            _tidy_up()
    return DRAINED if worker.has_drained else 0


def _is_draining() -> bool:
    close_old_connections()
    return presence.is_draining()


def _tidy_up() -> None:
    """What this process still had to clear away; what is not done in time is the sweep's."""
    from runners.containers.clearing import clearing

    clearing.finish(CLEARING_SECONDS)


def _sweep_now_and_then() -> None:
    """Whoever performs stages also tidies this machine's engine; of its workers one at a time."""
    from runners.containers.sweeping import sweep_alone

    while True:
        time.sleep(SWEEP_SECONDS)
        try:
            sweep_alone()
        except (PipelineError, DatabaseError, OSError):
            logger.exception("the engine could not be tidied; it will be tried again")
        finally:
            django_connection.close()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
