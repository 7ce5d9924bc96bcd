"""Hints to browsers, from any process: small, idempotent, never waited for, and no loss when they are lost."""

import asyncio
import logging
import os
import threading
import time
from typing import Any

from channels.layers import get_channel_layer
from django.db.models import Model

from pipelines.logs.signals import appended
from pipelines.states.signals import progressed, transitioned
from server.live.subjects import concerned

GROUP = "changes"  # the channel layer's one group: every web process is in it while somebody watches
GATHER_SECONDS = 0.05  # what changes within it is told in one message
SEND_SECONDS = 2.0  # a message that takes longer has failed
PAUSE_SECONDS = 1.0  # between a failure and the next try
TRIES = 10  # in a row; by then every page has looked by itself, and the names are let go

logger = logging.getLogger(__name__)


def listen() -> None:
    """From now on every committed change in this process is told to whoever watches."""
    transitioned.connect(_on_change, dispatch_uid="server.live.publish")
    progressed.connect(_on_change, dispatch_uid="server.live.publish")
    appended.connect(_on_output, dispatch_uid="server.live.publish")


def log_name(log_id: int) -> str:
    """What hints call a log."""
    return f"log:{log_id}"


def _on_change(subject: Model, **_: Any) -> None:
    """Whoever wrote the change has committed it and goes on, whatever happens here."""
    try:
        _publisher.put(*map(str, concerned(subject)))
    except Exception:
        logger.exception("no hint about %s", type(subject).__name__)


def _on_output(log_id: int, **_: Any) -> None:
    _publisher.put(log_name(log_id))


class Publisher:
    """Gathers names of what has changed for a daemon thread with an event loop, and so a connection, of its own."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """A thread does not survive a fork: a child process begins anew."""
        self._changed: set[str] = set()
        self._something = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failures = 0  # in a row

    def put(self, *names: str) -> None:
        """Returns at once."""
        with self._lock:
            self._changed.update(names)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()
        self._something.set()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                self._something.wait()
                self._something.clear()
                names = self._take()
                if names and not runner.run(self._send(names)):
                    time.sleep(PAUSE_SECONDS)
                    self._keep(names)
                else:
                    time.sleep(GATHER_SECONDS)

    def _take(self) -> set[str]:
        with self._lock:
            taken, self._changed = self._changed, set()
        return taken

    def _keep(self, names: set[str]) -> None:
        """For the next try; with whatever has come meanwhile."""
        if self._failures % TRIES:
            self.put(*names)

    async def _send(self, names: set[str]) -> bool:
        """Whether the layer took them."""
        try:
            message = {"type": "hint", "changed": sorted(names)}
            await asyncio.wait_for(get_channel_layer().group_send(GROUP, message), SEND_SECONDS)
        except Exception as error:
            if not self._failures:
                logger.info("hints to browsers do not get through, they look by themselves meanwhile: %r", error)
            self._failures += 1
        else:
            self._failures = 0
        return not self._failures


_publisher = Publisher()
