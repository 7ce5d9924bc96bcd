"""Pure: JSON from outside, read strictly, and what of it is kept for the Events page."""

import json
import math
import re
from typing import Any

from server.scm.fields import BadPayload

KEPT_WHOLE = 256 * 1024  # bytes as received; of a larger payload an outline is kept
_MAX_DEPTH = 40
_MAX_TEXT = 500  # characters of a text in an outline
_MAX_ITEMS = 3  # of a list in an outline
_MAX_KEYS = 100  # of an object in an outline
_OUTLINE_DEPTH = 5

# What JSON may say and a database may not store: NUL and halves of surrogate pairs, always written as escapes.
_UNSTORABLE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def decode(body: bytes) -> Any:
    """The value that `body` is; raises BadPayload for anything that is not plain JSON of a sane depth."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadPayload("the body is not JSON") from error
    if not _is_shallow(value, _MAX_DEPTH):
        raise BadPayload(f"the body is nested more than {_MAX_DEPTH} deep")
    return _scrub(value) if _UNSTORABLE_ESCAPE.search(body) else value


def kept(payload: dict[str, Any], size: int) -> dict[str, Any]:
    """What is stored of a payload that came as `size` bytes."""
    return payload if size <= KEPT_WHOLE else {"outline": _outline(payload, _OUTLINE_DEPTH), "bytes": size}


def _outline(value: Any, depth: int) -> Any:
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return f"{value[:_MAX_TEXT]}… ({len(value)} characters)"
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, list):
        rest = [f"… ({len(value)} items)"] if len(value) > _MAX_ITEMS else []
        return [_outline(item, depth - 1) for item in value[:_MAX_ITEMS]] + rest
    keys = list(value)[:_MAX_KEYS]
    return {key[:_MAX_TEXT]: _outline(value[key], depth - 1) for key in keys}


def _is_shallow(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        inner: Any = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return True
    return depth > 0 and all(
        _is_shallow(item, depth - 1) for item in inner if item.__class__ is dict or item.__class__ is list
    )


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value
