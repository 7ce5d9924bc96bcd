"""`manage.py backup DIRECTORY`: a copy of database and storage, made while the server runs."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelines.backups import lifecycle
from pipelines.errors import PipelineError
from server import keys


class Command(BaseCommand):
    help = "Add a backup of database and storage to a directory; the server may run. The keys are never put into it."
    requires_system_checks: list[str] = []  # whatever else is wrong with this server, it can be backed up

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="holds all backups; what has not changed is kept once")
        parser.add_argument("--with-keys", type=Path, metavar="FILE", help="write the server's keys to FILE, elsewhere")
        parser.add_argument("--keep", type=int, metavar="N", help="then remove all but the newest N backups")
        parser.add_argument("--check", action="store_true", help="then read all of it and compare with its hashes")

    def handle(self, *args: Any, **options: Any) -> None:
        root: Path = options["directory"].resolve()
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep is how many backups stay: 1 or more")
        try:
            if options["with_keys"]:
                self._export_keys(root, options["with_keys"].resolve())
            self._back_up(root, check=options["check"], keep=options["keep"])
        except (PipelineError, OSError) as error:
            raise CommandError(f"No backup was made: {error}.") from error

    def _export_keys(self, root: Path, target: Path) -> None:
        if target.is_relative_to(root):
            raise CommandError(f"{target} lies in the backup: whoever has both can read every secret. Choose another.")
        keys.export(settings.STATE_DIR, target)
        self.stdout.write(f"The keys are in {target}, which only you can read: keep it apart from the backups.")

    def _back_up(self, root: Path, *, check: bool, keep: int | None) -> None:
        name, manifest = lifecycle.back_up(root)
        counted = f"{len(manifest.storage)} files of the storage, {manifest.size / 1e6:.1f} MB in all"
        self.stdout.write(f"Backup {name}: the database and {counted}.")
        for lost in manifest.lost:
            self.stdout.write(f"  went away meanwhile, as retention asks: {lost}")
        if check:
            self.stdout.write(f"All {lifecycle.check(root, manifest)} files are as they were put there.")
        for gone in lifecycle.tidy(root, keep) if keep else []:
            self.stdout.write(f"Removed the backup {gone}.")
