"""How often each caller may ask."""

import logging
import time

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from ninja.throttling import BaseThrottle

from server.api.callers import caller, name_of

WINDOW_SECONDS = 60

logger = logging.getLogger(__name__)


class PerCaller(BaseThrottle):
    """So many requests a minute for each token, and for each person who comes with a session."""

    def allow_request(self, request: HttpRequest) -> bool:
        most: int = settings.SLIPWAY_API_REQUESTS_A_MINUTE
        return not most or _count(name_of(caller(request))) <= most

    def wait(self) -> float:
        """Seconds until everybody may ask again."""
        return WINDOW_SECONDS - int(time.time()) % WINDOW_SECONDS


def _count(name: str) -> int:
    """With this request. Where nobody can count, nobody is turned away."""
    key = f"api-{name}-{int(time.time()) // WINDOW_SECONDS}"
    try:
        cache = caches["limits"]
        cache.add(key, 0, WINDOW_SECONDS)
        return cache.incr(key)
    except Exception as error:  # of whatever cache there is
        logger.warning("requests are not counted now: %r", error)
        return 0
