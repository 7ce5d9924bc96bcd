"""Drains the outbox: each message once, in order, with back-off."""

import logging
import threading
from collections.abc import Callable, Mapping

from django.db import close_old_connections, connections

from pipelines.errors import LostRace, told
from pipelines.outbox import queue
from pipelines.outbox.models import Channel, Message
from server.notifications import chat, clock, hooks, mail, others, spreading
from server.notifications.errors import NotifyError, Refused, Unreachable
from server.scm import deployments, statuses

# Where many strangers answer, one that is slow must not keep back the others: so many are asked at once.
AT_ONCE = {Channel.WEBHOOK: 4, Channel.APPRISE: 2}
PAUSE_SECONDS = 1.0  # between two looks at an empty outbox

Sender = Callable[[Message], None]
SENDERS: Mapping[Channel, Sender] = {
    Channel.COMMIT_STATUS: statuses.send,
    Channel.DEPLOYMENT: deployments.send,
    Channel.RULES: spreading.send,
    Channel.CHAT: chat.send,
    Channel.MAIL: mail.send,
    Channel.WEBHOOK: hooks.send,
    Channel.APPRISE: others.send,
}

logger = logging.getLogger(__name__)


def run(stop: threading.Event) -> None:
    """Send until `stop` is set. Each channel has threads of its own: a service that hangs keeps back no other."""
    threads = [
        threading.Thread(target=_keep_draining, args=(channel, stop), name=f"announce {channel}")
        for channel in SENDERS
        for _ in range(AT_ONCE.get(channel, 1))
    ]
    threads.append(threading.Thread(target=clock.keep_time, args=(stop,), name="digests"))
    for thread in threads:
        thread.start()
    logger.info("sending what waits in the outbox")
    for thread in threads:
        thread.join()


def drain(channel: Channel, stop: threading.Event) -> int:
    """Send what is due on `channel`; returns how many messages were tried."""
    tried = 0
    for message in queue.due(channel):
        deliver(message, SENDERS[channel])
        tried += 1
        if stop.is_set():
            break
    return tried


def deliver(message: Message, sender: Sender) -> None:
    """Send one leased message and note what became of it."""
    try:
        sender(message)
    except LostRace:  # another announcer is at work there: what it writes comes first
        queue.put_back(message, PAUSE_SECONDS)
    except NotifyError as error:
        logger.warning("%s was not sent: %s", message, error)
        after = error.after_seconds if isinstance(error, Unreachable) else 0
        queue.failed(message, str(error), permanent=isinstance(error, Refused), after_seconds=after)
    except Exception as error:
        logger.exception("%s could not be sent", message)
        queue.failed(message, told(error), permanent=False)
    else:
        queue.sent(message)


def _keep_draining(channel: Channel, stop: threading.Event) -> None:
    """The outbox is looked at each second: nothing needs to ring."""
    while not stop.is_set():
        try:
            close_old_connections()
            tried = drain(channel, stop)
        except Exception:
            logger.exception("the outbox cannot be read; trying again")
            tried = 0
        if not tried:
            stop.wait(PAUSE_SECONDS)
    connections.close_all()
