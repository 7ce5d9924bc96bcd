"""`manage.py up`: the whole server on one machine."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from runners.queue import supervisor


class Command(BaseCommand):
    help = "Migrate, then run web, workers, clock and announcer (and a Redis of our own, if none is configured)."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("prepare", stdout=self.stdout)
        self.stdout.write(f"Slipway serves {settings.SLIPWAY_URL}")
        self.stdout.flush()
        supervisor.run(supervisor.stop_on_signals())
