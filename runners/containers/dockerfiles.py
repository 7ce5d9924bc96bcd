"""What a Dockerfile would have the engine itself do, rather than a container. Pure.

The engine fetches `ADD https://…` with its own hands, from the machine's own network, where a stage has no business.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipelines.errors import UserError

# These would stay out of the cache's key, so that what one project fetched through its proxy would be another's layer.
PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"})

# Of the engine's language, not of ours: to Python more is a space, and more ends a line.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_GAP = re.compile(r"[\t\v\f\r ]+")
_FLAG = rf"""--(?:[^{_SPACE}"'\\]|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|\\.?)*+"""
_FLAGS = re.compile(rf"\A(?:{_FLAG}[{_SPACE}]*+)*+", re.DOTALL)
_ESCAPE = re.compile(r"#\s*escape\s*=\s*`", re.IGNORECASE)
_STRAY_RETURN = re.compile(r"\r(?!\n|\Z)")
_FROM_FLAG = re.compile(r"--from=(\S+)", re.IGNORECASE)
_ID = re.compile(r"(sha256:)?[0-9a-f]+\Z")
_PERHAPS_ID = re.compile(r"[0-9a-fhs:]*\Z")
Instruction = tuple[str, str]

_SCHEMES = ("http://", "https://", "git://", "ssh://", "git@")


class BuildRefused(UserError):
    """A build that would reach beyond its container: change the Dockerfile or the arguments."""


def check(text: str) -> None:
    """Raises BuildRefused for a Dockerfile that has the engine fetch something."""
    if _STRAY_RETURN.search(text):
        raise BuildRefused("the Dockerfile has a carriage return within a line: end each line with a newline")
    added = [rest for reading in readings(text) for word, rest in reading if word == "ADD"]
    if found := [source for rest in added for source in _sources(rest) if _may_be_address(source)]:
        raise BuildRefused(
            f"ADD {found[0][:200]}: the engine would fetch it by itself; use RUN with curl or wget, or COPY a file"
        )


def check_args(args: Mapping[str, str]) -> None:
    """Raises BuildRefused for an argument that is not a project's to set."""
    if taken := [name for name in args if name.lower() in PROXIES]:
        raise BuildRefused(f"the build argument {taken[0]} names a proxy, which only the server's operator may set")


def bases(text: str) -> list[str]:
    """What the Dockerfile names as images to begin from or to copy from, without what it has made before."""
    return list(dict.fromkeys(name for reading in readings(text) for name in _bases(reading)))


def _bases(reading: Iterable[Instruction]) -> list[str]:
    found: list[str] = []
    made, last = {""}, ""  # the last stage is not made yet: its name is not its own while it lasts
    for word, rest in reading:
        if word == "FROM":
            made.add(last)
            name, *alias = _plain(_FLAGS.sub("", rest)).split() or [""]
            found += [name] if name.lower() not in made else []
            last = alias[1].lower() if len(alias) > 1 and alias[0].upper() == "AS" else ""
        elif word in ("COPY", "ADD"):
            named = _FROM_FLAG.findall(_plain(rest))
            found += [name for name in named if name.lower() not in made and not name.isdecimal()]
    return found


def may_be_id(name: str) -> bool:
    """Whether the engine may take the name of an image for the beginning of an id, whatever variables add to it."""
    literal, dollar, _ = name.partition("$")
    return bool((_PERHAPS_ID if dollar else _ID).match(literal))


def readings(text: str) -> Iterator[list[Instruction]]:
    """Each way in which an engine of some version may read it: they do not agree on what continues a line."""
    escapes = "\\`" if _ESCAPE.search(text) else "\\"
    for escape in escapes:
        yield list(instructions(text, escape))
        if escape * 2 in text:
            yield list(instructions(text, escape, doubled=True))


def instructions(text: str, escape: str = "\\", *, doubled: bool = False) -> Iterator[Instruction]:
    """Each instruction in capitals with the rest of its line, as the engine's parser puts lines together.

    `doubled`: two escapes at the end of a line continue it too, as older engines have it.
    """
    for line in _joined(text.removeprefix("\ufeff").split("\n"), escape, doubled):
        word, rest = _parted(line)
        while word == "ONBUILD":
            word, rest = _parted(_FLAGS.sub("", rest))
        if rest:
            yield word, rest


def _joined(lines: Iterable[str], escape: str, doubled: bool) -> Iterator[str]:
    whole: list[str] = []
    for line in lines:
        bare = line.lstrip(_SPACE)
        if not bare or bare.startswith("#"):  # passed over also where a line is continued
            continue
        trimmed = line.rstrip("\r").rstrip(" \t")
        if trimmed.endswith(escape) and (doubled or not trimmed.endswith(escape * 2)):
            whole.append(trimmed[:-1])
            continue
        yield "".join([*whole, line])
        whole = []
    yield "".join(whole)


def _parted(line: str) -> tuple[str, str]:
    word, *rest = _GAP.split(line.strip(_SPACE), maxsplit=1)
    return word.upper().replace("\u0130", "I"), "".join(rest)  # to the engine that letter is a capital I


def _sources(rest: str) -> list[str]:
    """All sources as they come out when quotes and escapes are taken away: of the words, and of a list in JSON, after
    which the engine reads no further."""
    rest = _FLAGS.sub("", rest.strip())
    listed: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        listed, _ = json.JSONDecoder().raw_decode(rest)
    words = [str(word) for word in listed][:-1] if isinstance(listed, list) else []
    return [_plain(word) for word in words + rest.split()[:-1]]


def _plain(text: str) -> str:
    return re.sub(r"[\"'\\`]", "", text)


def _may_be_address(source: str) -> bool:
    """Also when only a variable, which an argument may set, would make it one."""
    lowered = source.lower()
    if lowered.startswith(_SCHEMES):
        return True
    literal, dollar, _ = lowered.partition("$")
    return bool(dollar) and any(scheme.startswith(literal) for scheme in _SCHEMES)
