"""Takes away what is no longer needed, while other work goes on: no stage waits for the end of the one before it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing

from pipelines.errors import SystemFault
from runners.containers.docker import open_executor
from runners.containers.executor import Executor

logger = logging.getLogger(__name__)

Work = Callable[[Executor], None]

PATIENCE_SECONDS = 3.0  # so long a stage that follows is let by
WAITING_MAX = 4  # works; with more it is begun at once


class Clearing:
    """One thread, begun with the first work. It begins when told that nothing else is at hand, or after a while.

    What it does not come to, or fails with, is left to the sweep.
    """

    def __init__(self) -> None:
        self._works: deque[tuple[float, Work]] = deque()
        self._changed = threading.Condition()
        self._is_quiet = False
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def later(self, work: Work) -> None:
        """Return at once."""
        with self._changed:
            self._works.append((time.monotonic(), work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clearing", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def quiet(self, is_quiet: bool) -> None:
        """Whether nothing else is at hand now."""
        with self._changed:
            self._is_quiet = is_quiet
            self._changed.notify_all()

    def finish(self, seconds: float) -> bool:
        """Begin now and wait; whether all was done within the time."""
        with self._changed:
            was_quiet, self._is_quiet = self._is_quiet, True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._works and not self._is_busy, seconds)
            self._is_quiet = was_quiet
        return done

    def _run(self) -> None:
        while True:
            works = self._due()
            try:
                with closing(open_executor()) as executor:
                    for work in works:
                        _do(work, executor)
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _due(self) -> list[Work]:
        with self._changed:
            while not self._may_begin():
                self._changed.wait(PATIENCE_SECONDS / 3 if self._works else None)
            works = [work for _, work in self._works]
            self._works.clear()
            self._is_busy = True
            return works

    def _may_begin(self) -> bool:
        if not self._works:
            return False
        is_late = time.monotonic() - self._works[0][0] >= PATIENCE_SECONDS
        return self._is_quiet or is_late or len(self._works) > WAITING_MAX


def _do(work: Work, executor: Executor) -> None:
    try:
        work(executor)
    except SystemFault:
        logger.exception("something could not be cleared away; the sweep will try it again")
    except Exception:
        logger.exception("clearing away broke")


clearing = Clearing()
