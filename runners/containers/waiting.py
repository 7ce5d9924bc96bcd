"""The containers that wait in this process for stages to come. Knows nothing of Docker: whoever rings asks here too."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from functools import partial
from typing import Any

LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Place:
    """For one attempt at a stage to come: a container with the seal of what it was made from, when it is there.

    One that leaves unused goes to `clear`, from whatever thread; it must return at once.
    """

    stage: int
    attempt: int
    clear: Callable[[Any], None]
    made: "Future[tuple[str, Any]]" = field(default_factory=Future)
    abandoned: threading.Event = field(default_factory=threading.Event)


class WaitingRoom:
    """Places by stage. May be used from several threads."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}
        self._lock = threading.Lock()

    def reserve(self, place: Place, at_most: int) -> bool:
        """Whether there was room; then it is to be filled by `made`, or with the error why not."""
        with self._lock:
            if place.stage in self._places or len(self._places) >= at_most:
                return False
            self._places[place.stage] = place
            return True

    def has(self, stage: int) -> bool:
        return stage in self._places

    def take(self, stage: int, attempt: int, seal: str, watch: Callable[[], None]) -> Any:
        """What waits for this attempt, if it was made from the same; None when it is to be made anew.

        Waits for what is being made, and ends with what `watch` raises meanwhile.
        """
        with self._lock:
            place = self._places.pop(stage, None)
        if place is None:
            return None
        try:
            found = _awaited(place, watch)
        except BaseException:
            self._abandon(place)
            raise
        if found is not None and place.attempt == attempt and found[0] == seal:
            return found[1]
        self._abandon(place)
        return None

    def keep(self, stages: Iterable[int] = ()) -> list[int]:
        """Let go of all but what waits for these stages; returns for which stages nothing waits any more."""
        kept = set(stages)
        with self._lock:
            gone = [self._places.pop(stage) for stage in list(self._places) if stage not in kept]
        for place in gone:
            self._abandon(place)
        return [place.stage for place in gone]

    def _abandon(self, place: Place) -> None:
        """Now, or when it is there."""
        place.abandoned.set()
        if not place.made.cancel():
            place.made.add_done_callback(partial(_cleared, place))


def _cleared(place: Place, made: "Future[tuple[str, Any]]") -> None:
    if not made.cancelled() and made.exception() is None:
        place.clear(made.result()[1])


def _awaited(place: Place, watch: Callable[[], None]) -> tuple[str, Any] | None:
    """What was made; None when it has not been begun, or failed."""
    if place.made.cancel():
        return None
    while True:
        try:
            return place.made.result(LOOK_SECONDS)
        except NotYet:
            watch()
        except CancelledError:
            return None
        except Exception:
            return None


room = WaitingRoom()  # of this process
