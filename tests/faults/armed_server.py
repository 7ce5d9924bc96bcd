"""`manage.py up` whose every process carries the kill points: the supervisor is the product's own."""

import os
import sys

import django
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    django.setup()
    from runners.queue import supervisor

    commands = supervisor._commands

    def armed() -> list[tuple[str, list[str]]]:
        return [(name, [python, "-m", "tests.faults.armed", *rest]) for name, (python, *rest) in commands()]

    supervisor._commands = armed
    execute_from_command_line([sys.argv[0], "up"])
