"""Django's entry for the doing side."""

from django.apps import AppConfig
from django.conf import settings


class RunnersConfig(AppConfig):
    name = "runners"
    label = "runners"

    def ready(self) -> None:
        """Whatever process writes a transition rings for what follows from it."""
        from runners.queue import dispatch

        if not settings.SLIPWAY_ALONE:
            dispatch.listen()
