"""A log while it grows: by server-sent events, taken up where a connection was lost."""

import time
from collections.abc import Callable, Iterator

from server.cli.client.connection import Connection
from server.cli.client.errors import ServerBroke, Unreachable
from server.cli.client.following import Patience

TAIL_BYTES = 16_384
BRIEF_SECONDS = 5.0  # a stream that lasted longer was there, though nothing was written meanwhile


def follow(
    server: Connection, log_id: int, patience: Patience | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """Each piece once, in order, until the log has its end. Raises Unreachable after much patience.

    Servers end each stream after a while: that is no news. It is one when a stream brings nothing and ends at once.
    """
    patience = patience or Patience()
    begin = 0
    while True:
        began, brought = clock(), False
        try:
            with server.events("logs", log_id, "events", after=begin, what=f"log {log_id}") as events:
                for event in events:
                    patience.answered()
                    brought = True
                    if event.event == "end":
                        return
                    if event.event == "output":
                        begin = int(event.id)
                        yield _text(event.json())
            if not brought and clock() - began < BRIEF_SECONDS:
                raise Unreachable(f"{server.url} ended the stream of log {log_id} before the log's end.")
            patience.answered()
        except (Unreachable, ServerBroke) as error:
            patience.wait(error)


def whole(server: Connection, log_id: int) -> Iterator[bytes]:
    """What is in it by now."""
    with server.pieces("logs", f"{log_id}.txt", what=f"log {log_id}") as pieces:
        yield from pieces


def last_lines(server: Connection, log_id: int, count: int) -> list[str]:
    """The end of it, at most `count` lines and TAIL_BYTES."""
    text = server.text("logs", f"{log_id}.txt", what=f"log {log_id}", last_bytes=TAIL_BYTES)
    return text.rstrip("\n").split("\n")[-count:] if text else []


def _text(data: object) -> str:
    return str(data["text"]) if isinstance(data, dict) else ""
