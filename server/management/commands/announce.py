"""`manage.py announce`: sends commit statuses, deployments, chat messages and mail until it is stopped."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from server.notifications import announcer


class Command(BaseCommand):
    help = "Sends the messages of the outbox: commit statuses, deployments, chat, mail."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        announcer.run(stop)
