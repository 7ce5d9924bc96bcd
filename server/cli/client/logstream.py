"""A log while it grows: by server-sent events, taken up where a connection was lost."""

from collections.abc import Iterator

from server.cli.client.connection import Connection
from server.cli.client.errors import ServerBroke, Unreachable
from server.cli.client.following import Patience

TAIL_BYTES = 16_384


def follow(server: Connection, log_id: int, patience: Patience | None = None) -> Iterator[str]:
    """Each piece once, in order, until the log has its end. Raises Unreachable after much patience."""
    patience = patience or Patience()
    begin = 0
    while True:
        try:
            with server.events("logs", log_id, "events", after=begin, what=f"log {log_id}") as events:
                for event in events:
                    patience.answered()
                    if event.event == "end":
                        return
                    if event.event == "output":
                        begin = int(event.id)
                        yield _text(event.json())
            raise Unreachable(f"{server.url} ended the stream of log {log_id} before the log's end.")
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
