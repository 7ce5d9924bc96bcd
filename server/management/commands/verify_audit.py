"""`manage.py verify_audit`: does the audit still say what was written?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pipelines.audit.record import verify


class Command(BaseCommand):
    help = "Check the chain of the audit; ends with status 1 and the first row that was changed, removed or moved."

    def handle(self, *args: Any, **options: Any) -> None:
        if complaint := verify():
            raise CommandError(f"The audit does not hold: {complaint}.")
        self.stdout.write("The audit holds.")
