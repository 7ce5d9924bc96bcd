"""`manage.py drain HOST`: let runners finish what they do, and take nothing new."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelines.roster import lifecycle, queries


class Command(BaseCommand):
    help = "Let a runner (host:pid), or all of a host, take nothing new; without a name: list them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("who", nargs="?", help="host, or host:pid of one runner")
        parser.add_argument("--exit", action="store_true", help="they end when they have finished what they do")
        parser.add_argument("--undo", action="store_true", help="they work again")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["who"] is None:
            self._say()
            return
        actor = f"user {os.getuid()} of the server's machine"
        try:
            if options["undo"]:
                found = lifecycle.undrain(options["who"], actor)
                self.stdout.write(f"{options['who']} works again: {len(found)} runners.")
            else:
                found = lifecycle.drain(options["who"], actor, leave=options["exit"])
                self.stdout.write(f"{options['who']} drains: {len(found)} runners take nothing new.")
        except lifecycle.NobodyThere as error:
            raise CommandError(str(error)) from error

    def _say(self) -> None:
        for standing in queries.everyone():
            runner, drains = standing.runner, standing.drains
            labels = ", ".join(runner.labels) or "no labels"
            self.stdout.write(f"{runner.name}  {runner.kind}  {'drains' if drains else 'works'}  {labels}")
