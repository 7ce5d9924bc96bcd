"""Take typed, bounded fields out of what somebody else has sent; nothing in it is trusted."""

import re
from collections.abc import Mapping
from typing import Any

from pipelines.errors import UserError

Payload = Mapping[str, Any]

# C0, DEL, C1, and the characters that turn the direction of a text round.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# What git itself refuses in a ref, and what could pass for an option.
_REF = re.compile(
    r"refs/(?:heads|tags)/(?![-/.])(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|\Z)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])"
)
_MAX_REF = 255
_MAX_ID = 2**63 - 1


class BadPayload(UserError):
    """The sender's message lacks a field, or a field is not what its documentation says."""


def section(payload: Payload, name: str) -> Payload:
    """The object under `name`; raises BadPayload if there is none."""
    value = payload.get(name)
    if not isinstance(value, dict):
        raise BadPayload(f"the field {name} is missing or not an object")
    return value


def optional(payload: Payload, name: str) -> Payload:
    """The object under `name`; an empty one when it is absent or null."""
    return {} if payload.get(name) is None else section(payload, name)


def text(payload: Payload, name: str, limit: int) -> str:
    """The text under `name`, cut to `limit` characters, what cannot be seen replaced by spaces; empty when absent."""
    value = payload.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadPayload(f"the field {name} is not a text")
    return _UNSEEN.sub(" ", value[:limit]).strip()


def lines(payload: Payload, name: str, limit: int) -> str:
    """As `text`, with its line breaks."""
    value = payload.get(name)
    if not isinstance(value, str):
        return text(payload, name, limit)
    return "\n".join(_UNSEEN.sub(" ", line).rstrip() for line in value[:limit].split("\n")).strip()


def first_line(payload: Payload, name: str, limit: int) -> str:
    value = payload.get(name)
    if isinstance(value, str):
        return text({name: value.lstrip().split("\n", 1)[0]}, name, limit)
    return text(payload, name, limit)


def sha(payload: Payload, name: str) -> str:
    """A full commit id in lower case hex; all zeros stand for "none"."""
    value = payload.get(name)
    if not isinstance(value, str) or not _SHA.fullmatch(value):
        raise BadPayload(f"the field {name} is missing or not a commit id")
    return value


def ref(payload: Payload, name: str, prefix: str = "") -> str:
    """A branch or tag by its full name; `prefix` is put before what the payload has."""
    value = payload.get(name)
    full = f"{prefix}{value}"
    if not isinstance(value, str) or len(full) > _MAX_REF or not _REF.fullmatch(full):
        raise BadPayload(f"the field {name} is missing or not the name of a branch or tag")
    return full


def number(payload: Payload, name: str) -> int:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_ID:
        raise BadPayload(f"the field {name} is missing or not a number")
    return value


def is_none(commit: str) -> bool:
    """Whether a commit id is the all zeros that stand for a ref's absence."""
    return not commit.strip("0")
