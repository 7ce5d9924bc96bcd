"""How a worker that is told to stop lets go of the work in its hands."""

from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """This process must end: leave the work as it stands, for whoever takes it over.

    A BaseException, so that no `except Exception` on the way takes it for a failure of the work.
    """


_interruptible = False


def interrupt() -> None:
    """Called from the signal handler, in the main thread."""
    global _interruptible  # noqa: PLW0603  a signal handler shares nothing else with the code that it interrupts
    if _interruptible:
        _interruptible = False
        raise Interrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """The work inside may end with Interrupted at any point."""
    global _interruptible  # noqa: PLW0603
    _interruptible = True
    try:
        yield
    finally:
        _interruptible = False
