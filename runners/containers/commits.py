"""A run's commit as a tar on this machine, made while something else is done."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Thread

from pipelines.runs.models import Run
from runners.checkout import Mirror
from runners.planning import mirror_of

_WATCH_SECONDS = 0.2


def begun(run: Run) -> Future[Path]:
    """In a daemon thread: a worker that is told to end waits for no clone."""
    mirror = mirror_of(run.project, trusted=run.trusted)
    made: Future[Path] = Future()

    def make() -> None:
        try:
            made.set_result(_workspace(mirror, run))
        except BaseException as error:
            made.set_exception(error)

    Thread(target=make, name="workspace", daemon=True).start()
    return made


def awaited(commit: Future[Path], watch: Callable[[], None]) -> Path:
    """Ends with what `watch` raises, which is called several times a second: a fetch may take minutes."""
    while not wait((commit,), _WATCH_SECONDS).done:
        watch()
    return commit.result()


def _workspace(mirror: Mirror, run: Run) -> Path:
    """The runner that planned the run may have been on another machine. Asks no database: it is made in a thread of its
    own."""
    if (made := mirror.workspace_at_hand(run.sha, run.ref)) is not None:
        return made
    mirror.fetch(run.ref, run.sha, run=str(run.pk))
    return mirror.workspace(run.sha, run.ref)
