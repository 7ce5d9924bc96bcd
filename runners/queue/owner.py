"""How this process signs what it owns, and what it may be given."""

import os
import socket

from django.conf import settings


def me() -> str:
    return f"{host()}:{os.getpid()}"


def host() -> str:
    """The machine, or the container that stands for one."""
    return socket.gethostname()


def labels() -> frozenset[str]:
    """What the stages may ask for that this process is given."""
    return frozenset(settings.SLIPWAY_RUNNER_LABELS)
