"""`manage.py prepare`: what has to be done once before the processes start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from pipelines.backups import databases
from server.web.setup import setup_link


class Command(BaseCommand):
    help = "Migrate the database and, while there is no operator, print the one-time link that creates one."

    def handle(self, *args: Any, **options: Any) -> None:
        if databases.is_half_restored():
            raise CommandError("A restore into this database broke off: empty the database and restore again.")
        call_command("migrate", interactive=False, verbosity=0)
        if link := setup_link():
            self.stdout.write(f"Create the operator here, within 15 minutes and once: {link}")
