"""`manage.py up` whose every process carries the kill points: the supervisor is the product's own."""

import os
import sys

from django.core.management import execute_from_command_line

from runners.queue import supervisor

_commands = supervisor._commands


def _armed() -> list[tuple[str, list[str]]]:
    return [(name, [python, "-m", "tests.faults.armed", *rest]) for name, (python, *rest) in _commands()]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    supervisor._commands = _armed
    execute_from_command_line([sys.argv[0], "up"])
