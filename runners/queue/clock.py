"""The process that makes time pass: reconciles, polls code hosts, fires schedules, seals the audit, tidies up."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import redis
from django.db import DatabaseError, close_old_connections, connections

from pipelines.audit.record import seal
from pipelines.deploys.retention import expire
from pipelines.errors import PipelineError
from pipelines.logs import store as logs
from pipelines.logs.models import Log
from pipelines.retention.lifecycle import sweep
from pipelines.roster.lifecycle import forget
from pipelines.schedules.firing import fire_due
from pipelines.tallies.totals import put_together
from runners.queue.connections import refuse_unsafe, ring_connection
from runners.queue.polling import poll_due
from runners.queue.reconciler import reconcile

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 1.0
SCHEDULES_SECONDS = 5.0
FORGET_SECONDS = 60.0
ARCHIVE_SECONDS = 5.0
EXPIRY_SECONDS = 60.0
SWEEP_SECONDS = 10.0  # between two looks whether the next sweep is due
TALLIES_SECONDS = 30.0
ARCHIVE_AT_ONCE = 20
POLL_SECONDS = 1.0  # between two looks at who is to be asked; how often each is, the settings say
POLLERS = 4


@dataclass(slots=True)
class Chore:
    """Something done every so often; a failure is logged and waits for the next time."""

    every_seconds: float
    do: Callable[[], object]
    due_at: float = field(default=0.0)


def run(stop: threading.Event) -> None:
    """Do the chores until told to stop. Two clocks at once are harmless: every chore is idempotent.

    What may take seconds, a large log or a code host that hangs, has threads of its own: the reconciler does not wait.
    """
    connection = ring_connection()
    urgent = [
        Chore(RECONCILE_SECONDS, lambda: reconcile(connection)),
        Chore(RECONCILE_SECONDS, seal),
        Chore(SCHEDULES_SECONDS, fire_due),
        Chore(FORGET_SECONDS, forget),
        Chore(300.0, lambda: refuse_unsafe(connection)),
    ]
    slow = [
        Chore(ARCHIVE_SECONDS, Archivist().archive_some),
        Chore(EXPIRY_SECONDS, expire),
        Chore(SWEEP_SECONDS, sweep),
        Chore(TALLIES_SECONDS, put_together),
        *(Chore(POLL_SECONDS, lambda: poll_due(stop)) for _ in range(POLLERS)),
    ]
    threads = [threading.Thread(target=_keep_doing, args=([chore], stop)) for chore in slow]
    for thread in threads:
        thread.start()
    _keep_doing(urgent, stop)
    for thread in threads:
        thread.join()


class Archivist:
    """Compresses finished logs into storage, a few at a time, in turn: one that cannot be does not stop the others."""

    def __init__(self) -> None:
        self._looked_at = 0  # id of the last log that was

    def archive_some(self) -> None:
        finished = Log.objects.exclude(closed_at=None).filter(archive="", pk__gt=self._looked_at).order_by("pk")
        last = 0
        for log in finished[:ARCHIVE_AT_ONCE]:
            self._looked_at = last = log.pk
            try:
                logs.archive(log)
            except (PipelineError, OSError) as error:
                logger.error("%s could not be compressed: %s", log, error)
        self._looked_at = last


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
