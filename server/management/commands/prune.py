"""`manage.py prune --dry-run`: what goes by the rules of retention, or would."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pipelines.projects.models import Project
from pipelines.retention import candidates, lifecycle, rules
from pipelines.retention.candidates import Amount


class Command(BaseCommand):
    help = "Remove what the rules of retention let go, all at once; the clock does so by itself, little by little."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")
        parser.add_argument("--project", default="", help="only of this project")

    def handle(self, *args: Any, **options: Any) -> None:
        for project in self._projects(options["project"]):
            chosen = rules.in_force(project)
            if options["dry_run"]:
                self.stdout.write(f"{project}: {_told(candidates.amount(project, chosen, timezone.now()))}")
            else:
                removed = lifecycle.prune(project, chosen, timezone.now())
                told = ", ".join(f"{count} {name}" for name, count in removed.items())
                self.stdout.write(f"{project}: {told or 'nothing'} removed")

    def _projects(self, name: str) -> Iterator[Project]:
        found = Project.objects.filter(name=name) if name else Project.objects.order_by("name")
        if name and not found:
            raise CommandError(f"There is no project {name}.")
        return iter(found)


def _told(found: Amount) -> str:
    if found.is_nothing:
        return "nothing would go"
    return (
        f"{found.runs} runs, {found.logs} logs ({found.log_bytes / 1e6:.1f} MB of output), {found.artifacts} artifacts "
        f"({found.artifact_bytes / 1e6:.1f} MB) and {found.events} events would go"
    )
