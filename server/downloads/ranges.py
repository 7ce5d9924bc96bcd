"""HTTP byte ranges: which bytes a request asks for."""

import re
from dataclasses import dataclass

from django.http import HttpRequest

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range begins behind the last byte."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def asked_range(request: HttpRequest, size: int, tag: str = "") -> Range | None:
    """The one range that is asked for; None when all is: without a header, or with several ranges, or a broken one.

    `tag` is the strong ETag, if there is one: with `If-Range` the range counts only for that very text. Raises
    Unsatisfiable.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    held = request.headers.get("If-Range", "")
    if found is None or (held and held != tag) or found[1] == found[2] == "":
        return None
    if not found[1]:
        return _last_bytes(int(found[2]), size)
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return Range(start, min(int(found[2]) + 1, size) if found[2] else size)


def _last_bytes(count: int, size: int) -> Range:
    if not count or not size:
        raise Unsatisfiable
    return Range(max(size - count, 0), size)
