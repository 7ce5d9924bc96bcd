"""What a page asks over its socket: text to values."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from server.live import subjects
from server.live.subjects import Subject

MAX_SUBJECTS = 100  # that one page may watch
_MAX_MESSAGE = 8192  # characters of a message from a browser
_MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Watch:
    """To be told when one of these has changed."""

    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class Follow:
    """The bytes of a log from `start` on; with `may_skip` the page can have by rows what it is far behind with."""

    log_id: int
    start: int
    may_skip: bool


@dataclass(frozen=True, slots=True)
class Had:
    """The page has the bytes of a log before `end`."""

    log_id: int
    end: int


@dataclass(frozen=True, slots=True)
class Leave:
    """No more of a log."""

    log_id: int


Ask = Watch | Follow | Had | Leave


def parse(text: str | None) -> Ask | None:
    """None for a message that is none of ours."""
    try:
        message = json.loads(text or "") if len(text or "") <= _MAX_MESSAGE else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    return next((read(message) for key, read in _KINDS.items() if key in message), None)


def _watch(message: Mapping[str, Any]) -> Watch | None:
    """What names nothing is left out: a page may name what is no longer known."""
    named = message["watch"]
    if not isinstance(named, list):
        return None
    found = (subjects.parse(one) for one in named[:MAX_SUBJECTS])
    return Watch(tuple(dict.fromkeys(subject for subject in found if subject is not None)))


def _follow(message: Mapping[str, Any]) -> Follow | None:
    log_id, start = _number(message.get("log")), _number(message["from"])
    return None if log_id is None or start is None else Follow(log_id, start, message.get("skip") is True)


def _had(message: Mapping[str, Any]) -> Had | None:
    log_id, end = _number(message.get("log")), _number(message["had"])
    return None if log_id is None or end is None else Had(log_id, end)


def _leave(message: Mapping[str, Any]) -> Leave | None:
    log_id = _number(message["leave"])
    return None if log_id is None else Leave(log_id)


def _number(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER
    return value if is_number and isinstance(value, int) else None


_KINDS: dict[str, Callable[[Mapping[str, Any]], Ask | None]] = {
    "watch": _watch,
    "from": _follow,
    "had": _had,
    "leave": _leave,
}
