"""Secrets at rest: encrypted with the newest of the server's keys, readable with any of them."""

from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from pipelines.errors import SystemFault

MIN_LENGTH = 8  # bytes; a shorter value cannot be masked without masking half of every log


class UnreadableSecret(SystemFault):
    """A stored secret was written with a key that this server does not have."""


def encrypt(plain: str) -> str:
    return _keys().encrypt(plain.encode()).decode() if plain else ""


def decrypt(stored: str) -> str:
    """Raises UnreadableSecret when the key that it was written with is not among the server's."""
    if not stored:
        return ""
    try:
        return _keys().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecret(
            "a stored secret cannot be read with this server's keys: bring back the key file that it was written with"
        ) from error


def _keys() -> MultiFernet:
    return _ring(tuple(settings.SLIPWAY_ENCRYPTION_KEYS))


@cache
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    """Made once: every webhook reads a secret."""
    return MultiFernet([Fernet(key) for key in keys])


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # not generic when it runs
    """Text that the database holds only encrypted; the attribute is the plain text."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return value if value is None else decrypt(value)

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None else encrypt(str(value))
