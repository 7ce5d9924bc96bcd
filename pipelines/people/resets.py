"""Asking for a new password by mail."""

from pipelines.outbox import queue
from pipelines.outbox.models import Channel

TOPIC = "new password"


def ask(address: str, origin: str) -> None:
    """Have a link mailed to the account with this mail address, if there is one; `origin` is where it was asked from.

    The same is written for an address that nobody has: neither the answer nor its time tells.
    """
    queue.notify(TOPIC, "person", 0, {"address": address, "origin": origin}, [Channel.MAIL])
