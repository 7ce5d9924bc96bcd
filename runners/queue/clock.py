"""The process that makes time pass: reconciles, polls code hosts, seals the audit, tidies up."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from pipelines.audit.record import seal
from pipelines.errors import PipelineError
from pipelines.logs import store as logs
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from runners.queue import jobs
from runners.queue.connections import refuse_unsafe, ring_connection
from runners.queue.queues import Line, ring_once
from runners.queue.reconciler import reconcile

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 1.0
ARCHIVE_SECONDS = 5.0
ARCHIVE_AT_ONCE = 20
POLLS_WAITING_MAX = 1000


@dataclass(slots=True)
class Chore:
    """Something done every so often; a failure is logged and waits for the next time."""

    every_seconds: float
    do: Callable[[], object]
    due_at: float = field(default=0.0)


def run(stop: threading.Event) -> None:
    """Do the chores until told to stop. Two clocks at once are harmless: every chore is idempotent.

    Compressing a large log takes seconds, so it has a thread of its own: the reconciler must not wait for it.
    """
    connection = ring_connection()
    urgent = [
        Chore(RECONCILE_SECONDS, lambda: reconcile(connection)),
        Chore(RECONCILE_SECONDS, seal),
        Chore(float(settings.SLIPWAY_POLL_SECONDS), lambda: _poll(connection)),
        Chore(300.0, lambda: refuse_unsafe(connection)),
    ]
    slow = [Chore(ARCHIVE_SECONDS, archive_logs)]
    archiving = threading.Thread(target=_keep_doing, args=(slow, stop), name="archive")
    archiving.start()
    _keep_doing(urgent, stop)
    archiving.join()


def archive_logs() -> None:
    """Compress finished logs into storage, a few at a time."""
    for log in Log.objects.exclude(closed_at=None).filter(archive="").order_by("pk")[:ARCHIVE_AT_ONCE]:
        logs.archive(log)


def _keep_doing(chores: Sequence[Chore], stop: threading.Event) -> None:
    while not stop.is_set():
        close_old_connections()
        for chore in chores:
            _do_when_due(chore)
        stop.wait(0.25)
    connections.close_all()


def _do_when_due(chore: Chore) -> None:
    if time.monotonic() < chore.due_at:
        return
    chore.due_at = time.monotonic() + chore.every_seconds
    try:
        chore.do()
    except (redis.RedisError, DatabaseError, PipelineError, OSError) as error:
        logger.warning("a chore of the clock failed and will be tried again: %s", error)
    except Exception:  # a mistake of ours in one chore must not stop the others
        logger.exception("a chore of the clock broke and will be tried again")


def _poll(connection: redis.Redis) -> None:
    projects = list(Project.objects.order_by("pk").values_list("pk", flat=True))
    ring_once(connection, Line.CONTROL, jobs.poll_project, projects, at_most=POLLS_WAITING_MAX)
