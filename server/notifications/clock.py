"""Puts each day's digests into the outbox when their time has come, and forgets what was sent long ago."""

import logging
import threading
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import close_old_connections, connections
from django.utils import timezone

from pipelines.notifications import digests, keeping
from server.notifications.digest_facts import count

LOOK_SECONDS = 20.0

logger = logging.getLogger(__name__)


def keep_time(stop: threading.Event) -> None:
    """Until `stop` is set."""
    while not stop.is_set():
        try:
            close_old_connections()
            put_due(timezone.now())
            keeping.forget(timezone.now())
        except Exception:
            logger.exception("the digests cannot be made; trying again")
        stop.wait(LOOK_SECONDS)
    connections.close_all()


def put_due(now: datetime) -> int:
    """How many digests were put; of several announcers one puts each."""
    put = 0
    for rule, day in digests.due(now):
        assert rule.digest_at is not None, "only digests are due"
        until = datetime.combine(day, rule.digest_at, ZoneInfo(rule.time_zone))
        put += digests.put(rule, day, {"day": day.isoformat(), **count(rule.project, until)})
    return put
