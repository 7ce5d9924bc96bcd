"""Pure: an environment's plain values as KEY=VALUE lines."""

from collections.abc import Mapping

from django.core.exceptions import ValidationError

from pipelines.errors import UserError
from pipelines.projects.models import VARIABLE


class BadLine(UserError):
    """A line is not KEY=VALUE, or repeats a key."""


def written(values: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in values.items())


def read(text: str) -> dict[str, str]:
    """Empty lines and lines that begin with # are passed over; raises BadLine with the number of the first bad line."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, value = _read(number, line)
            if name in values:
                raise BadLine(f"Line {number} gives {name} a second time.")
            values[name] = value
    return values


def _is_variable(name: str) -> bool:
    try:
        VARIABLE(name)
    except ValidationError:
        return False
    return True


def _read(number: int, line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals or not _is_variable(name.strip()):
        raise BadLine(f"Line {number} is not KEY=VALUE; a key is letters, digits and _, and begins with no digit.")
    return name.strip(), value.strip()
