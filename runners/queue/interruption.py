"""How a worker that is told to stop lets go of the work in its hands."""

from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """This process must end: leave the work as it stands, for whoever takes it over.

    A BaseException, so that no `except Exception` on the way takes it for a failure of the work.
    """


_interruptible = False
_is_told = False


def interrupt() -> None:
    """Called from the signal handler, in the main thread. Between two works it keeps the next from being begun."""
    global _interruptible, _is_told  # noqa: PLW0603  a signal handler shares nothing else with what it interrupts
    _is_told = True
    if _interruptible:
        _interruptible = False
        raise Interrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """The work inside may end with Interrupted at any point; it does not even begin when we have been told to end."""
    global _interruptible  # noqa: PLW0603
    _interruptible = True
    try:
        if _is_told:
            raise Interrupted
        yield
    finally:
        _interruptible = False
