"""`manage.py worker stage`: one worker process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runners.queue.queues import SERVED
from runners.queue.worker import serve


class Command(BaseCommand):
    help = "Perform the jobs of one kind of worker until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=list(SERVED))

    def handle(self, *args: Any, **options: Any) -> None:
        serve(options["kind"])
