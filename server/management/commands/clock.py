"""`manage.py clock`: the process that reconciles, polls and tidies."""

from typing import Any

from django.core.management.base import BaseCommand

from runners.queue import clock
from runners.queue.supervisor import stop_on_signals


class Command(BaseCommand):
    help = "Reconcile the queue, poll code hosts, seal the audit, tidy up, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        clock.run(stop_on_signals())
