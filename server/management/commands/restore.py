"""`manage.py restore DIRECTORY`: a server from a backup, into an empty state directory."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelines.backups import databases, lifecycle
from pipelines.backups.aftermath import Ended
from pipelines.backups.vault import Manifest
from pipelines.errors import PipelineError
from runners.queue.connections import answers
from server import keys


class Command(BaseCommand):
    help = "Restore database and storage from a backup, into a server that is empty and does not run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="where the backups are")
        parser.add_argument("--backup", default="", metavar="NAME", help="which of them; else the newest")
        parser.add_argument("--keys", type=Path, metavar="FILE", help="the file that backup --with-keys wrote")
        parser.add_argument("--check", action="store_true", help="only read the backup and compare it with its hashes")
        parser.add_argument("--list", action="store_true", help="only list the backups")

    def handle(self, *args: Any, **options: Any) -> None:
        root: Path = options["directory"].resolve()
        try:
            name, manifest = lifecycle.choose(root, options["backup"])
            if options["list"]:
                self._list(root)
            elif options["check"]:
                self.stdout.write(f"Backup {name}: all {lifecycle.check(root, manifest)} files are as they were put.")
            else:
                self._restore(root, name, manifest, options["keys"])
        except (PipelineError, OSError, ImproperlyConfigured) as error:
            raise CommandError(f"Not restored: {error}.") from error

    def _list(self, root: Path) -> None:
        for name in lifecycle.names(root):
            manifest = lifecycle.choose(root, name)[1]
            self.stdout.write(f"{name}  {manifest.engine}  Slipway {manifest.version}  {manifest.size / 1e6:.1f} MB")

    def _restore(self, root: Path, name: str, manifest: Manifest, key_file: Path | None) -> None:
        if settings.SLIPWAY_OWN_REDIS and answers():
            raise CommandError("Not restored: this server runs. Stop it, and restore into an empty state directory.")
        lifecycle.refuse(manifest)
        if (broken_off := databases.half_restored()) is not None:
            self.stdout.write(f"Note: {lifecycle.told(broken_off)}. It begins anew.")
        if key_file:
            self._bring_keys_back(manifest, key_file)
        ended = lifecycle.restore(root, manifest)
        self.stdout.write(f"Restored the backup {name}, made at {manifest.made_at}.")
        self._tell(ended)

    def _bring_keys_back(self, manifest: Manifest, key_file: Path) -> None:
        """This process began with keys of its own, as every first start; nothing was written with them."""
        held = keys.exported(key_file)
        secret, encryption = held["secret_key"].strip(), held["encryption_keys"].split()
        if lifecycle.fingerprints(secret, encryption) != manifest.keys:
            raise CommandError(f"Not restored: {key_file} holds other keys than those of this backup.")
        keys.bring_back(settings.STATE_DIR, held)
        settings.SECRET_KEY, settings.SLIPWAY_ENCRYPTION_KEYS = secret, encryption

    def _tell(self, ended: Ended) -> None:
        self.stdout.write(
            f"Under way had been {ended.runs} runs and {ended.deploys} deploys: they are ended, nothing goes on by "
            f"itself. {ended.messages} unsent messages will not be sent. The queues of {ended.environments} "
            "environments are paused: look what their hosts run, then resume each on its page."
        )
