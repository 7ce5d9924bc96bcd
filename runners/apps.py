"""Django's entry for the doing side."""

from django.apps import AppConfig


class RunnersConfig(AppConfig):
    name = "runners"
    label = "runners"

    def ready(self) -> None:
        """Whatever process writes a transition rings for what follows from it."""
        from runners.queue import dispatch

        dispatch.listen()
