"""`${{ name }}` in a value: found when the file is read, filled in when the run is planned."""

import re
from collections.abc import Mapping

OPENING = "${{"
_PART = re.compile(r"\$\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*)\s*\}\}")


class TemplateError(Exception):
    """A `${{` that is no template, at this character, counted from 0."""

    def __init__(self, offset: int) -> None:
        super().__init__("this is no `${{ name }}`")
        self.offset = offset


def names(text: str) -> list[tuple[str, int]]:
    """The names that a value asks for, each with the place where it is asked; raises TemplateError."""
    found, place = [], text.find(OPENING)
    while place >= 0:
        part = _PART.match(text, place)
        if part is None:
            raise TemplateError(place)
        found.append((part[1], part.start(1)))
        place = text.find(OPENING, part.end())
    return found


def fill(text: str, facts: Mapping[str, str]) -> str:
    """The text with every name's value; what is filled in is not looked at again."""
    return _PART.sub(lambda part: facts.get(part[1], ""), text) if OPENING in text else text
