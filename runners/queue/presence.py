"""This process on the roster: it says that it is there, and hears when it shall take nothing more."""

import logging
import os
import threading
from collections.abc import Callable
from importlib import metadata

from django.db import DatabaseError, InterfaceError, connection

from pipelines.roster import lifecycle
from pipelines.roster.models import Kind, Runner
from pipelines.states.leases import DATABASE_AWAY
from runners.queue import owner

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0


class Presence:
    """One of each process. A database that is away keeps nobody from working: it is told when it is back."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._ended = threading.Event()

    def begin(self, kind: str) -> None:
        """Register, and beat from now on."""
        self._ended.clear()
        self._tell(Kind(kind))
        threading.Thread(target=self._run, args=(Kind(kind),), name="presence", daemon=True).start()

    def end(self) -> None:
        """Leave in good order."""
        self._ended.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            try:
                lifecycle.retire(runner)
            except (DatabaseError, InterfaceError):
                logger.warning("could not leave the roster; it will be found to be gone")

    def is_draining(self) -> bool:
        """Whether to begin nothing more; never so in a process that is no runner."""
        return self._ask(lifecycle.is_draining)

    def leaves(self) -> bool:
        """Whether to end, now that nothing is left to do."""
        return self._ask(lifecycle.leaves)

    def _ask(self, question: Callable[[Runner], bool]) -> bool:
        if self._runner is None:
            return False
        try:
            return question(self._runner)
        except DATABASE_AWAY:  # then nothing can be begun either
            return False

    def _run(self, kind: Kind) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._tell(kind)
            connection.close()

    def _tell(self, kind: Kind) -> None:
        try:
            if self._runner is not None and lifecycle.beat(self._runner):
                return
            if not self._ended.is_set():
                self._runner = lifecycle.register(owner.host(), os.getpid(), kind, owner.labels(), version())
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the roster could not be told that this runner is there; it will be: %s", error)


def version() -> str:
    """Of the code that runs here; empty where it is not installed."""
    try:
        return metadata.version("slipway")
    except metadata.PackageNotFoundError:
        return ""


presence = Presence()
