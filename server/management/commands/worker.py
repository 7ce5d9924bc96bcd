"""`manage.py worker stage`: one worker process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runners.queue.queues import Line
from runners.queue.worker import serve


class Command(BaseCommand):
    help = "Perform the jobs of one queue until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("line", choices=[line.value for line in Line])

    def handle(self, *args: Any, **options: Any) -> None:
        serve(Line(options["line"]))
