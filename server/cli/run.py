"""`slipway run`: the server's own planner, stages and records in this process, with the terminal for a page."""

import getpass
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.cli import lint
from server.cli.choices import Choices
from server.cli.client import errors
from server.cli.client.terminal import put
from server.cli.laptop import records_of
from server.cli.printing import Printer
from server.cli.worktree import Worktree

if TYPE_CHECKING:
    from server.cli.local_run import LocalRun

_LOOK_SECONDS = 0.1
_EXIT = {"succeeded": errors.FINE, "failed": errors.FAILED, "errored": errors.BROKE, "cancelled": errors.STOPPED}


def perform(tree: Worktree, spec_path: str, choices: Choices, *, as_json: bool) -> int:
    """Run the pipeline of a working tree; returns the exit status."""
    found = lint.check(tree, spec_path)
    if found.spec is None:
        lint.tell(found, as_json=as_json)
        return _EXIT["failed"]
    # This machine is whatever runner a stage asks for.
    labels = {label for stage in found.spec.stages for label in stage.labels}
    with records_of(tree.root, labels):
        from server.cli.local_run import LocalRun  # models: not before Django is set up

        with ending_as_by_hand():
            return _run(tree, spec_path, choices, LocalRun, as_json=as_json)


def _run(tree: Worktree, spec_path: str, choices: Choices, records: "type[LocalRun]", *, as_json: bool) -> int:
    try:
        local = records.planned(tree, spec_path, choices, getpass.getuser())
        printer = Printer(local.names(), sys.stderr if as_json else None)
        if not local.is_final:
            _carried_out(local, printer, choices.parallel)
        local.unpack_artifacts(choices.artifacts)
        status, told = local.verdict()
        if as_json:
            put(local.document())
    finally:
        records.clear_away()
    printer.say(told, "bold green" if status == "succeeded" else "bold red")
    return _EXIT[status]


@contextmanager
def ending_as_by_hand() -> Iterator[None]:
    """A closed terminal or a TERM stops it as Ctrl-C does: what runs on the engine is not left there."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _carried_out(local: "LocalRun", printer: Printer, parallel: int) -> None:
    """Its stages on threads, while this one waits; Ctrl-C cancels the run, which then ends as on the server."""
    with local.told_to(printer):
        workers = [threading.Thread(target=local.work, daemon=True) for _ in range(parallel)]
        for worker in workers:
            worker.start()
        try:
            _wait(local, workers)
        except KeyboardInterrupt:
            printer.say("Stopping what runs; once more to leave it as it is", "yellow")
            _stop(local, workers)
        except Exception:
            _stop(local, workers)
            raise
        for worker in workers:
            worker.join()


def _stop(local: "LocalRun", workers: Sequence[threading.Thread]) -> None:
    local.cancel()
    _wait(local, workers)


def _wait(local: "LocalRun", workers: Sequence[threading.Thread]) -> None:
    while not local.is_final and any(worker.is_alive() for worker in workers):
        local.look_after()
        time.sleep(_LOOK_SECONDS)
