"""What a `.dockerignore` leaves out of a build, in a time that no pattern can stretch. Pure."""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.errors import UserError

NAME = ".dockerignore"
PATTERNS_MAX = 1000
CHARACTERS_MAX = 20_000  # of all patterns together

_SPACE = " \t\r\v\f"
_DEEP = "**"


class IgnoreRefused(UserError):
    """A `.dockerignore` with too much in it."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Runs of path components; the first stands at the start, any folders may lie before each of the others."""

    keeps: bool
    runs: tuple[tuple[Callable[[str], object], ...], ...]

    def matches(self, parts: Sequence[str]) -> bool:
        """Whether it is the path, or a folder that the path lies in. The first place for each run is the best one."""
        place = 0
        for number, run in enumerate(self.runs):
            if (found := _after(run, parts, place, anywhere=number > 0)) is None:
                return False
            place = found
        return True


class Ignored:
    """The paths that a `.dockerignore` of this text leaves out. Raises IgnoreRefused."""

    def __init__(self, text: str) -> None:
        lines = [line.strip(_SPACE) for line in text.removeprefix("\ufeff").split("\n") if not line.startswith("#")]
        lines = [line for line in lines if line]
        if len(lines) > PATTERNS_MAX or sum(map(len, lines)) > CHARACTERS_MAX:
            most = f"{PATTERNS_MAX} patterns, or {CHARACTERS_MAX} characters of them"
            raise IgnoreRefused(f"{NAME} has more than {most}: name folders rather than files")
        self._patterns = [pattern for line in lines if (pattern := _read(line)).runs]

    def __contains__(self, path: str) -> bool:
        """The last pattern that matches decides."""
        parts = path.split("/")
        return next((not one.keeps for one in reversed(self._patterns) if one.matches(parts)), False)


def _after(run: Sequence[Callable[[str], object]], parts: Sequence[str], place: int, *, anywhere: bool) -> int | None:
    """Where the first match of the run at or behind a place ends."""
    last = len(parts) - len(run)
    for start in range(place, (last if anywhere else min(place, last)) + 1):
        if all(matches(parts[start + depth]) for depth, matches in enumerate(run)):
            return start + len(run)
    return None


def _read(line: str) -> _Pattern:
    keeps = line.startswith("!")
    path = posixpath.normpath("/" + line.removeprefix("!").strip(_SPACE).lstrip("/"))[1:]
    path = re.sub(r"(\A|/)\*\*+(?=[^/*])", r"\1**/*", path)
    path = re.sub(r"([^/*])\*\*+(?=/)", r"\1*/**", path)
    parts = path.split("/") if path else []
    if parts and parts[-1] == _DEEP:
        parts[-1] = "*"  # something in the folder, and with it all that lies below
    runs: list[list[Callable[[str], object]]] = [[]]
    for part in parts:
        if part == _DEEP:
            runs.append([])
        else:
            runs[-1].append(re.compile(fnmatch.translate(_translated(part))).match)
    return _Pattern(keeps, tuple(map(tuple, runs)) if parts else ())


def _translated(part: str) -> str:
    r"""As Python writes it: `[!a]` for `[^a]`, and `[*]` for `\*`."""
    plain = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], part)
    return plain.replace("[^", "[!")
