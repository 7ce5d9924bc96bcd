"""Jobs for the tests of real worker processes; what they did stands in files beside `SLIPWAY_STATE_DIR`."""

import os
import time
from pathlib import Path

from runners.queue.interruption import Interrupted, interruptible


def leave_a_note(number: int) -> None:
    _note(f"did {number}")


def work_until_let_go(number: int) -> None:
    """As a stage that takes as long as the test wants."""
    _note(f"began {number}")
    while not _notes(f"let go of {number}").exists():
        time.sleep(0.05)
    _note(f"did {number}")


def work_until_interrupted(number: int) -> None:
    """As a stage would: it lets go of its work when its process is told to end."""
    _note(f"began {number}")
    try:
        with interruptible():
            time.sleep(600)
    except Interrupted:
        _note(f"let go {number}")
        raise


def _note(text: str) -> None:
    _notes(text).touch()


def _notes(text: str) -> Path:
    return Path(os.environ["SLIPWAY_STATE_DIR"]) / "notes" / text
