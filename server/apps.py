"""Django's entry for the speaking side."""

from django.apps import AppConfig
from django.conf import settings


class ServerConfig(AppConfig):
    name = "server"
    label = "server"

    def ready(self) -> None:
        """Whatever process writes a change tells the browsers that watch it."""
        from server import checks as checks
        from server.live import publish
        from server.web.signing import ledger, locks

        ledger.listen()
        locks.listen()
        if not settings.SLIPWAY_ALONE:
            publish.listen()
