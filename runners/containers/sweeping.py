"""Removes what ended attempts left on this machine's engine; strangers' containers are never touched."""

import fcntl
import logging
import time
from collections.abc import Sequence

from django.conf import settings

from pipelines.runs.models import Attempt, Stage
from runners.containers.docker import open_executor
from runners.containers.executor import Container, Executor, Ownership, State

logger = logging.getLogger(__name__)

START_SECONDS = 30.0  # between the creation of a container and its start, at most


def sweep_alone() -> int:
    """Sweep, unless another worker of this machine does it right now; returns how many were removed."""
    with (settings.STATE_DIR / "sweep.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return sweep()


def sweep() -> int:
    """Clear away every attempt that has ended or will never be, and what waits in vain for one; returns how many things
    of them there were."""
    executor = open_executor()
    try:
        return sum(_look_at(executor, *one) for one in _by_owner(executor.ours()).items())
    finally:
        executor.close()


def _look_at(executor: Executor, owner: Ownership, found: Sequence[Container]) -> int:
    attempt = Attempt.objects.filter(stage=owner.stage, number=owner.attempt).only("finished_at").first()
    if attempt is not None and attempt.finished_at is None:
        return 0
    if attempt is not None or not Stage.objects.filter(pk=owner.stage, finished_at=None).exists():
        logger.info("removing what attempt %s of stage %s left", owner.attempt, owner.stage)
        executor.clear(owner)
        return len(found)
    # Made ahead, and nobody has let it go. It may still be asked for at any moment: then it runs, and is left alone.
    idle = [container for container in found if _waits_in_vain(container)]
    for container in idle:
        executor.discard(container)
    return len(idle)


def _waits_in_vain(container: Container) -> bool:
    """Whoever made it ahead has died: while he lives, it is started at once, and runs until it is let go."""
    age_seconds = time.time() - container.made_at
    return container.state == State.EXITED or (container.state == State.CREATED and age_seconds > START_SECONDS)


def _by_owner(containers: Sequence[Container]) -> dict[Ownership, list[Container]]:
    found: dict[Ownership, list[Container]] = {}
    for container in containers:
        found.setdefault(container.owner, []).append(container)
    return found
