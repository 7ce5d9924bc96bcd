"""A worker process: serves the queues of its kind, performs one job at a time, and can be killed at any moment."""

import ctypes
import logging
import os
import secrets
import signal
import socket
import threading
import time
from importlib import import_module
from types import FrameType

from django.db import DatabaseError
from django.db import connection as django_connection
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from pipelines.errors import PipelineError
from runners.queue import interruption
from runners.queue.connections import refuse_unsafe, worker_connection
from runners.queue.queues import SERVED, Line, queue

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
SWEEP_SECONDS = 20.0
PLANNING_NICENESS = 5  # a burst of pushes is first of all received
# What each kind of worker needs for its work: loaded when it starts, so that no push has to wait for it.
STORIES = {
    "control": "runners.planning",
    "stage": "runners.containers.stage",
    "deploy": "runners.hosts.deploy",
}


class Worker(SimpleWorker):
    """Performs jobs in its own process: there is no forked child that could outlive it and run on unseen.

    On SIGTERM it lets go of what it does (the container or host goes on, another worker takes over) and ends.
    """

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stop_requested = True
        interruption.interrupt()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


def serve(kind: str) -> None:
    """Perform the jobs of one kind of worker until told to stop."""
    if Line.PLAN in SERVED[kind]:
        os.nice(PLANNING_NICENESS)
    import_module(STORIES[kind])
    connection = worker_connection()
    refuse_unsafe(connection)
    worker = Worker(
        [queue(line, connection) for line in SERVED[kind]],
        # Never a name of before: a container that is started again has its host name and pid once more, and RQ refuses
        # for minutes to let a worker in that bears the name of a killed one.
        name=f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        connection=connection,
        serializer=JSONSerializer,
        log_job_description=False,
    )
    worker.log_result_lifespan = False
    if Line.STAGE in SERVED[kind]:
        threading.Thread(target=_sweep_now_and_then, name="sweeper", daemon=True).start()
    worker.work(logging_level="WARNING")


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
