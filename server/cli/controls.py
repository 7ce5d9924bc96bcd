"""Text from elsewhere, made harmless for a terminal."""

import re

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # what moves, clears, asks or colours
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # titles, links, the clipboard
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Neither those of old terminals (C0, C1) nor those that turn the direction of reading.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_ESCAPE = "\x1b"


def plain(text: str) -> str:
    """Without any control sequence or character; tabs and ends of lines stay."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text)).replace(_ESCAPE, "")


def coloured(text: str) -> str:
    """As `plain`, but colours and weights stay; they end where the text ends."""
    kept = _SEQUENCE.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else "", text)
    kept = _CONTROL.sub("", kept)
    kept = re.sub(r"\x1b(?!\[[0-9;:]*m)", "", kept)
    return f"{kept}\x1b[0m" if _ESCAPE in kept else kept


def last_state(line: str) -> str:
    """Of a line that was overwritten again and again, as progress bars do, what stood there in the end."""
    return line.rstrip("\r").rpartition("\r")[2]
