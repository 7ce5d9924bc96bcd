"""`manage.py prepare`: what has to be done once before the processes start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from pipelines.backups import databases, lifecycle
from server.web.setup import setup_link


class Command(BaseCommand):
    help = "Migrate the database and, while there is no operator, print the one-time link that creates one."

    def handle(self, *args: Any, **options: Any) -> None:
        if (broken_off := databases.half_restored()) is not None:
            raise CommandError(f"Not started: {lifecycle.told(broken_off)}. {self._remedy()}")
        if databases.forget_former():
            self.stdout.write("A restore had come to its end here: the empty database from before it is removed now.")
        call_command("migrate", interactive=False, verbosity=0)
        if link := setup_link():
            self.stdout.write(f"Create the operator here, within 15 minutes and once: {link}")

    @staticmethod
    def _remedy() -> str:
        if databases.begins_anew():
            return (
                "Give the same `manage.py restore` again, which begins anew; or, to begin without the backup, empty "
                "the state directory and the storage."
            )
        return "Empty the database and the storage, then give the same `manage.py restore` again, or start without it."
