"""Pure: how a terminal's text looks after its colour codes (SGR), as the shortest codes that make it look so."""

import re
from collections.abc import Sequence

# Longer ones are no colours: a row is never cut inside one (`rows`). The browser has the same bound.
_COLOURS = re.compile(rb"\x1b\[([0-9;:]{0,60})m")
_FLAGS = {1: "1", 2: "2", 3: "3", 4: "4", 7: "7", 9: "9", 21: "4"}
_ENDS = {22: ("1", "2"), 23: ("3",), 24: ("4",), 27: ("7",), 29: ("9",), 39: ("fg",), 49: ("bg",)}
_BYTE = 255

Look = dict[str, str]


def after(look: str, data: bytes) -> str:
    """How text looks after `data`, when it looked like `look` before it."""
    if b"\x1b" not in data:
        return look
    reset = max(data.rfind(b"\x1b[0m"), data.rfind(b"\x1b[m"))
    state: Look = {} if reset >= 0 else _parsed(look)
    for match in _COLOURS.finditer(data, max(reset, 0)):
        _apply(state, match[1].decode())
    return ";".join(state[key] for key in sorted(state))


def _parsed(look: str) -> Look:
    state: Look = {}
    if look:
        _apply(state, look)
    return state


def _apply(state: Look, given: str) -> None:
    parts = given.split(";")
    at = 0
    while at < len(parts):
        if ":" in parts[at]:
            _apply_group(state, [_number(part) for part in parts[at].split(":")])
        elif parts[at] in ("38", "48"):
            codes = [_number(part) for part in parts[at : at + 5]]
            at += _extend(state, codes)
        else:
            _apply_one(state, _number(parts[at]))
        at += 1


def _apply_one(state: Look, code: int) -> None:
    if code == 0:
        state.clear()
    elif code in _FLAGS:
        state[_FLAGS[code]] = _FLAGS[code]
    elif code in _ENDS:
        for key in _ENDS[code]:
            state.pop(key, None)
    elif 30 <= code <= 37 or 90 <= code <= 97:
        state["fg"] = str(code)
    elif 40 <= code <= 47 or 100 <= code <= 107:
        state["bg"] = str(code)


def _apply_group(state: Look, codes: Sequence[int]) -> None:
    """Codes with colons: an underline of some kind, or a colour with or without its space."""
    if codes[0] == 4:
        _apply_one(state, 24 if codes[1] == 0 else 4)
    elif codes[0] in (38, 48) and codes[1] == 2 and len(codes) > 5:
        _extend(state, [codes[0], 2, *codes[3:6]])
    elif codes[0] in (38, 48):
        _extend(state, codes)


def _extend(state: Look, codes: Sequence[int]) -> int:
    """Take `38;5;n` or `38;2;r;g;b`; gives how many codes follow the first."""
    key = "fg" if codes[0] == 38 else "bg"
    kind = codes[1] if len(codes) > 1 else 0
    taken = {5: 2, 2: 4}.get(kind, 1)
    values = codes[2 : taken + 1]
    if kind in (5, 2) and len(values) == taken - 1 and all(value <= _BYTE for value in values):
        state[key] = ";".join(map(str, [codes[0], kind, *values]))
    return taken


def _number(part: str) -> int:
    return int(part or 0)
