"""Keeps a lease alive while its work goes on, and hears when the work should stop."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType

from django.db import DatabaseError, InterfaceError, connection

from pipelines.states.leases import LostLease

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0


class Heartbeat:
    """A thread that calls `renew` every two seconds.

    `renew` prolongs the lease and returns when a person asked to stop, or None; it raises LostLease after a takeover.
    `cancelled` and `lost` tell what was heard; `on_stop` is called once, from the thread, when either is set.
    """

    def __init__(
        self,
        renew: Callable[[], datetime | None],
        *,
        lease_seconds: float,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.cancelled = threading.Event()
        self.lost = threading.Event()
        self._renew = renew
        self._on_stop = on_stop
        self._lease_seconds = lease_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        heard_at = time.monotonic()
        try:
            while not self._ended.wait(INTERVAL_SECONDS) and not self.lost.is_set():
                heard_at = self._beat(heard_at)
        finally:
            connection.close()

    def _beat(self, heard_at: float) -> float:
        """One renewal; a database that is away for longer than the lease means that the work is no longer ours."""
        try:
            asked_at = self._renew()
        except LostLease:
            self._stop(self.lost)
        except (DatabaseError, InterfaceError):
            logger.exception("the lease could not be renewed")
            connection.close_if_unusable_or_obsolete()
            if time.monotonic() - heard_at > self._lease_seconds:
                self._stop(self.lost)
            return heard_at
        else:
            if asked_at is not None and not self.cancelled.is_set():
                self._stop(self.cancelled)
        return time.monotonic()

    def _stop(self, heard: threading.Event) -> None:
        heard.set()
        self._on_stop()
