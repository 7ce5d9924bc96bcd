"""What an ASGI server says of a connection, read where Django does not read it for us."""

from collections.abc import Mapping
from typing import Any


def header(scope: Mapping[str, Any], name: bytes) -> str:
    """The first header of that name, in small letters; empty without one."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
