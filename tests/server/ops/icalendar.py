"""A strict reader of calendars: what RFC 5545 does not allow fails an assertion."""

import re
from datetime import UTC, datetime

_LINE = re.compile(r"(?P<name>[A-Z0-9-]+)(?P<parameters>(?:;[A-Z0-9-]+=[^;:\"]+)*):(?P<value>.*)", re.DOTALL)
_ESCAPES = {"\\\\": "\\", "\\;": ";", "\\,": ",", "\\n": "\n"}
_TEXT = ("SUMMARY", "DESCRIPTION")


def events(data: bytes) -> list[dict[str, str]]:
    """The events of one calendar, their properties by name."""
    lines = _unfolded(data)
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    found: list[dict[str, str]] = []
    inside = False
    head: set[str] = set()
    for line in lines[1:-1]:
        match = _LINE.fullmatch(line)
        assert match, line
        name, value = match["name"], match["value"]
        if name in ("BEGIN", "END"):
            assert value == "VEVENT"
            assert inside == (name == "END")
            inside = name == "BEGIN"
            found += [{}] if inside else []
        elif inside:
            assert name not in found[-1], f"{name} twice"
            found[-1][name] = _text(value) if name in _TEXT else value
        else:
            head.add(name)
    assert {"VERSION", "PRODID"} <= head
    assert all({"UID", "DTSTAMP", "DTSTART"} <= event.keys() for event in found)
    return found


def moment(value: str) -> datetime:
    """Of a time in UTC; one of no zone fails."""
    return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _unfolded(data: bytes) -> list[str]:
    assert data.endswith(b"\r\n")
    physical = data[:-2].split(b"\r\n")
    assert all(len(line) <= 75 for line in physical), "a line of more than 75 bytes"
    assert not any(b"\n" in line or b"\r" in line for line in physical)
    lines: list[str] = []
    for line in physical:
        text = line.decode()  # no character is torn
        if text.startswith(" "):
            lines[-1] += text[1:]
        else:
            lines.append(text)
    return lines


def _text(value: str) -> str:
    assert not re.search(r"(?<!\\)(?:\\\\)*[;,]", value), f"not escaped: {value}"
    return re.sub(r"\\[\\;,n]", lambda found: _ESCAPES[found[0]], value)
