"""Waiting for what must come, by looking again and again."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")
PAUSE_SECONDS = 0.1


class TooLate(AssertionError):
    """What had to come did not come in time; the message says what was seen last."""


def until(what: str, look: Callable[[], Seen | None], within_seconds: float = 120, last: object = None) -> Seen:
    """The first answer of `look` that is true. A callable `last` is asked for words about what stands there instead."""
    give_up_at = time.monotonic() + within_seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > give_up_at:
            told = last() if callable(last) else seen
            raise TooLate(f"{what} did not come within {within_seconds:.0f} s; last seen: {told!r}")
        time.sleep(PAUSE_SECONDS)
