"""`slipway run`: the server's own planner, stages and records in this process, with the terminal for a page."""

import getpass
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
_JOIN_SECONDS = 30.0
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
    return _EXIT.get(status, errors.BROKE)  # without an end all its workers have broken


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


class Noted:
    """Whether somebody has asked to stop. A plain value: a lock, as of an Event, could be held where a signal comes."""

    is_asked = False


@contextmanager
def noting_stops() -> Iterator[Noted]:
    """Ctrl-C, TERM and a closed terminal are only noted, for the next look; the second time they raise.

    Raised wherever this thread is, they would leave a statement or a transaction open, of which whatever is asked or
    written after it is then a part; or be swallowed, where Python cannot pass an error on.
    """
    noted = Noted()

    def note(*_: object) -> None:
        if noted.is_asked:
            raise KeyboardInterrupt
        noted.is_asked = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _carried_out(local: "LocalRun", printer: Printer, parallel: int) -> None:
    """Its stages on threads, while this one waits; Ctrl-C cancels the run, which then ends as on the server."""
    with local.told_to(printer), noting_stops() as noted:
        workers = [threading.Thread(target=local.work, daemon=True) for _ in range(parallel)]
        for worker in workers:
            worker.start()
        try:
            _wait(local, workers, lambda: noted.is_asked)
            if noted.is_asked:
                printer.say("Stopping what runs; once more to leave it as it is", "yellow")
                _stop(local, workers)
        except Exception:
            _stop(local, workers)
            raise
        _join(workers)


def _stop(local: "LocalRun", workers: Sequence[threading.Thread]) -> None:
    local.cancel()
    _wait(local, workers, lambda: False)


def _wait(local: "LocalRun", workers: Sequence[threading.Thread], is_over: Callable[[], bool]) -> None:
    while not is_over() and not local.is_final and any(worker.is_alive() for worker in workers):
        local.look_after()
        time.sleep(_LOOK_SECONDS)


def _join(workers: Sequence[threading.Thread]) -> None:
    """All has its end on record: one that is late with something else is not waited for."""
    until = time.monotonic() + _JOIN_SECONDS
    for worker in workers:
        worker.join(max(0.0, until - time.monotonic()))
