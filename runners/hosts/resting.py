"""Let time pass in the middle of a deploy: a short while in the worker, a longer one without any."""

import threading
from datetime import datetime

from django.utils import timezone

from pipelines.deploys import waits
from pipelines.deploys.models import Deploy, Waits
from pipelines.deploys.strategies import SHORT_SECONDS
from pipelines.deploys.waits import SetAside
from runners.hosts.convoy import Stops

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 86_400.0  # so long a deploy that waits for a person keeps its hosts from other servers


def rest(deploy: Deploy, waits_for: Waits, reason: str, until: datetime, total_seconds: float, stops: Stops) -> None:
    """Return at `until`, or sooner when `stops`; raises SetAside when the whole of it is too long to sit through."""
    if total_seconds > SHORT_SECONDS and until > timezone.now():
        set_aside(deploy, waits_for, reason, stops, until)
    pause = threading.Event()
    while not stops.is_set and (left := (until - timezone.now()).total_seconds()) > 0:
        pause.wait(min(left, LOOK_SECONDS))


def set_aside(deploy: Deploy, waits_for: Waits, reason: str, stops: Stops, until: datetime | None = None) -> None:
    """Raises SetAside: the deploy waits without us. Returns, with `stops` set, when a person has cancelled it."""
    if waits.wait(deploy, waits_for, reason, until):
        raise SetAside(reason)
    stops.cancelled.set()
