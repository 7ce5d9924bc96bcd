"""Globs over names and paths, in a time that no glob can stretch."""

from dataclasses import dataclass
from functools import lru_cache

from pipelines.spec.model import Globs

_STARS = ("*", "**")


@lru_cache(maxsize=4096)
def matches(glob: str, name: str) -> bool:
    """`*` is any text without `/`, `**` any text, `?` one character but `/`; the rest stands for itself.

    Time is bounded by len(name) steps on integers of len(glob) bits, whatever the glob.
    """
    return _compiled(glob, False).matches(name)


def matches_path(glob: str, path: str) -> bool:
    """As `matches`, but `**/` also stands for no folder at all, and `docs/` for everything in it."""
    return _compiled(glob + "**" if glob.endswith("/") else glob, True).matches(path)


def holds(globs: Globs, name: str) -> bool:
    """True if one of `include` matches, or there is none, and none of `exclude`."""
    included = not globs.include or any(matches(glob, name) for glob in globs.include)
    return included and not any(matches(glob, name) for glob in globs.exclude)


@lru_cache(maxsize=1024)  # the stages of a matrix ask the same
def holds_any_path(globs: Globs, paths: tuple[str, ...]) -> bool:
    """True if one of the paths is included and not excluded."""
    return any(_holds_path(globs, path) for path in paths)


def _holds_path(globs: Globs, path: str) -> bool:
    included = not globs.include or any(matches_path(glob, path) for glob in globs.include)
    return included and not any(matches_path(glob, path) for glob in globs.exclude)


@dataclass(frozen=True, slots=True)
class _Automaton:
    """A glob as sets of places, one bit each: a place is how much of the glob has been used up."""

    literal: str  # the glob itself, if it holds no wildcard
    letters: dict[str, int]
    any_letter: int
    stars: int
    deep_stars: int
    folders: int
    end: int

    def matches(self, name: str) -> bool:
        if self.literal:
            return name == self.literal
        reached = self._rest(1, 0)
        for char in name:
            reached = self._rest(*self._step(reached, char))
            if not reached:
                return False
        return bool(reached & self.end)

    def _step(self, reached: int, char: str) -> tuple[int, int]:
        """The places that are come to, and those that are stayed at."""
        letter = self.letters.get(char, 0)
        if char == "/":
            return (reached & letter) << 1, reached & self.deep_stars
        return (reached & (letter | self.any_letter)) << 1, reached & self.stars

    def _rest(self, come_to: int, stayed_at: int) -> int:
        """Stars may stand for nothing; so may `**/`, if it has not stood for a part of a folder's name before. No two
        stars stand side by side."""
        while (more := come_to | (come_to & self.folders) << 2) != come_to:
            come_to = more
        reached = come_to | stayed_at
        return reached | ((reached & self.stars) << 1)


@lru_cache(maxsize=1024)
def _compiled(glob: str, of_paths: bool) -> _Automaton:
    tokens = _tokens(glob)
    letters: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if token != "?" and token not in _STARS:
            letters[token] = letters.get(token, 0) | 1 << place
    folders = [place for place in range(len(tokens)) if of_paths and _is_folders(tokens, place)]
    return _Automaton(
        literal="" if {"?", *_STARS} & set(tokens) else glob,
        letters=letters,
        any_letter=_bits(tokens, "?"),
        stars=_bits(tokens, *_STARS),
        deep_stars=_bits(tokens, "**"),
        folders=sum(1 << place for place in folders),
        end=1 << len(tokens),
    )


def _tokens(glob: str) -> list[str]:
    tokens: list[str] = []
    for char in glob:
        if char == "*" and tokens and tokens[-1] in _STARS:
            tokens[-1] = "**"
        else:
            tokens.append(char)
    return tokens


def _bits(tokens: list[str], *wanted: str) -> int:
    return sum(1 << place for place, token in enumerate(tokens) if token in wanted)


def _is_folders(tokens: list[str], place: int) -> bool:
    """Whether `**/` stands here as a part of its own: at the start, or after a slash."""
    starts = place == 0 or tokens[place - 1] == "/"
    return starts and tokens[place : place + 2] == ["**", "/"]
