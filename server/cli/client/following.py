"""Looking at something again and again until it is over, through lost connections."""

import sys
import time
from collections.abc import Callable, Iterator

from server.cli.client.connection import Document
from server.cli.client.errors import ServerBroke, Unreachable
from server.cli.client.terminal import FINAL

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 300
_PAUSES_SECONDS = (1, 2, 4, 8, 15)


class Patience:
    """How long a server may be away; each answer begins it anew."""

    def __init__(self, seconds: float = PATIENCE_SECONDS, sleep: Callable[[float], None] = time.sleep) -> None:
        self._seconds, self._sleep = seconds, sleep
        self._lost_at: float | None = None
        self._misses = 0

    def answered(self) -> None:
        self._lost_at, self._misses = None, 0

    def wait(self, error: Exception) -> None:
        """Sleep, longer each time; raises the error when it has lasted too long."""
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            sys.stderr.write("the connection is lost, trying again …\n")
        if now - self._lost_at > self._seconds:
            raise error
        self._sleep(_PAUSES_SECONDS[min(self._misses, len(_PAUSES_SECONDS) - 1)])
        self._misses += 1


def states(look: Callable[[], Document], patience: Patience | None = None) -> Iterator[Document]:
    """Each look at it, a second apart; the last is one at its final status. Raises Unreachable after much patience."""
    patience = patience or Patience()
    while True:
        try:
            found = look()
        except (Unreachable, ServerBroke) as error:
            patience.wait(error)
            continue
        patience.answered()
        yield found
        if found["status"] in FINAL:
            return
        time.sleep(LOOK_SECONDS)
