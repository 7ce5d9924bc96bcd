"""Times as people say them."""

from datetime import UTC, datetime

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """Between two times of the server, until now when it has not ended; None when it has not begun."""
    if begin is None:
        return None
    until = moment(end) if end else datetime.now(UTC)
    return max(0.0, (until - moment(begin)).total_seconds())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def length(seconds: float | None) -> str:
    """Two units at most: 4 s, 3 min 20 s, 2 h 5 min; a dash for what has not begun."""
    if seconds is None:
        return "–"
    left = int(seconds)
    for place, (size, unit) in enumerate(_UNITS):
        if left >= size:
            smaller, name = _UNITS[place + 1] if place + 1 < len(_UNITS) else (1, "s")
            rest = left % size // smaller
            return f"{left // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{left} s"


def ago(text: str | None) -> str:
    """How long ago, in one unit."""
    if text is None:
        return "–"
    seconds = (datetime.now(UTC) - moment(text)).total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "now"
