"""What every value of the pipeline file shares: the way into a JSON column and back."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import TypeAdapter


class Stored:
    """Goes into a JSON column and comes back equal; a key added later is read as its default from older rows."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises pydantic.ValidationError for what `to_json` of this class never wrote."""
        value: Self = _adapter(cls).validate_python(stored)
        return value


_ADAPTERS: dict[type[Stored], TypeAdapter[Any]] = {}


def _adapter(kind: type[Stored]) -> TypeAdapter[Any]:
    """Made once per class, as making one takes milliseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
