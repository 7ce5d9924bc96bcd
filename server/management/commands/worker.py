"""`manage.py worker stage`: one worker process, or several under one."""

import re
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners.queue.queues import SERVED
from runners.queue.supervisor import keep_workers, stop_on_signals
from runners.queue.worker import serve

MAX_CAPACITY = 256
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,62}")


class Command(BaseCommand):
    help = "Perform the jobs of one kind of worker until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=list(SERVED))
        parser.add_argument(
            "--labels", default=None, help="what stages may ask for, as in gpu,big; else SLIPWAY_RUNNER_LABELS"
        )
        parser.add_argument("--capacity", type=int, default=1, help="so many jobs at once, each in its own process")

    def handle(self, *args: Any, **options: Any) -> None:
        labels = _labels(options["labels"])
        settings.SLIPWAY_RUNNER_LABELS = labels
        if not 1 <= options["capacity"] <= MAX_CAPACITY:
            raise CommandError(f"--capacity is a number from 1 to {MAX_CAPACITY}")
        if options["capacity"] > 1:
            sys.exit(keep_workers(options["kind"], labels, options["capacity"], stop_on_signals()))
        if status := serve(options["kind"]):
            sys.exit(status)


def _labels(given: str | None) -> list[str]:
    """As given, else of the settings. Raises CommandError for what a pipeline file could not ask for."""
    labels = settings.SLIPWAY_RUNNER_LABELS if given is None else given.split(",") if given else []
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise CommandError(f"{label!r} is no label: letters, digits and - _ . : /, as in gpu,big")
    return sorted(set(labels))
