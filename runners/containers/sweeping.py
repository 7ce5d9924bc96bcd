"""Removes what ended attempts left on this machine's engine; strangers' containers are never touched."""

import fcntl
import logging

from django.conf import settings

from pipelines.runs.models import Attempt
from runners.containers.docker import open_executor
from runners.containers.executor import Container

logger = logging.getLogger(__name__)


def sweep_alone() -> int:
    """Sweep, unless another worker of this machine does it right now; returns how many were removed."""
    with (settings.STATE_DIR / "sweep.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return sweep()


def sweep() -> int:
    """Remove the container and workspace of every attempt that has ended or that no record knows."""
    executor = open_executor()
    try:
        over = [container for container in executor.ours() if _is_over(container)]
        for container in over:
            logger.info("removing what attempt %s left: %s", container.owner.attempt, container.id[:12])
            executor.remove(container)
        return len(over)
    finally:
        executor.close()


def _is_over(container: Container) -> bool:
    return not Attempt.objects.filter(pk=container.owner.attempt, finished_at=None).exists()
