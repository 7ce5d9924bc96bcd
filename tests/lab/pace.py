"""How fast this machine is now: on a slow or busy one a limit of time holds only against a yardstick."""

import gc
import time
from collections.abc import Callable

_ROUNDS = 400_000
_QUIET_SECONDS = 0.022  # of CPU that the rounds take on the machine for which limits are written down


def slowness() -> float:
    """By how much more CPU time Python's own work takes here and now than where the limits were found; 1 at least.

    A slow machine counts, and a core that is shared with another thread; waiting for a core does not.
    """
    return max(1.0, quickest_seconds(_work, 0, tries=3, clock=time.thread_time) / _QUIET_SECONDS)


def quickest_seconds(
    act: Callable[[], object], enough_seconds: float, *, tries: int = 5, clock: Callable[[], float] = time.monotonic
) -> float:
    """The least that `act` took of several tries, of which none follows one that took less than `enough_seconds`.

    What a neighbour takes from one try it seldom takes from all; what `act` itself takes too long for, it always does.
    """
    best = float("inf")
    gc.freeze()  # what other tests have left in memory is not looked through meanwhile
    try:
        for _ in range(tries):
            began_at = clock()
            act()
            best = min(best, clock() - began_at)
            if best < enough_seconds:
                break
    finally:
        gc.unfreeze()
    return best


def _work() -> int:
    return sum(number * number for number in range(_ROUNDS))
