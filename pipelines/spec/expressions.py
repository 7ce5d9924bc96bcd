"""The language of `if`: names, texts and lists compared, joined by and, or, not. Read once, pure, bounded.

    event == "push" and (branch matches "release/*" or parameters.publish)
    branch in ["main", "next"] && !(message contains "[skip deploy]")

Every value is a text; one that stands alone holds unless it is empty or `false`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pipelines.spec.globs import matches

MAX_LENGTH = 1000
MAX_DEPTH = 20
MAX_GLOB = 200
MAX_MATCHED = 4096  # characters of a value that a glob is held against: a message may be long

Facts = Mapping[str, str]
Value = str | bool
Term = Callable[[Facts], Value]

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>"[^"\n]*"|'[^'\n]*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign>==|!=|&&|\|\||[!()\[\],])""",
    re.VERBOSE | re.ASCII,
)
_WORDS = {"&&": "and", "||": "or", "!": "not"}
_COMPARISONS = ("==", "!=", "in", "contains", "matches")
_KEYWORDS = frozenset({"and", "or", "not", "in", "contains", "matches"})
_OPERAND = 'a name, a quoted text, a number, true, false, or "("'


class ExpressionError(Exception):
    """No expression: what is wrong at which character, counted from 0, and what was expected there."""

    def __init__(self, offset: int, message: str, expected: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition that was read; `names` are those it asks for, with the place of each."""

    term: Term
    names: tuple[tuple[str, int], ...]

    def holds(self, facts: Facts) -> bool:
        """A name that has no fact is the empty text."""
        return _truth(self.term(facts))


@lru_cache(maxsize=512)
def read(text: str) -> Expression:
    """Raises ExpressionError with the first offence."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(0, f"this has {len(text):,} characters", f"at most {MAX_LENGTH:,}")
    reader = _Reader(_tokens(text), len(text))
    term = reader.either(0)
    reader.expect_end()
    return Expression(term, tuple(reader.names))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, number, name, sign or word
    text: str
    offset: int


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _stray(text, place)
        kind, word = str(found.lastgroup), found.group()
        if kind != "space":
            word = _WORDS.get(word, word)
            kind = "word" if word in _KEYWORDS else kind
            tokens.append(_Token(kind, word, place))
        place = found.end()
    return tokens


def _stray(text: str, place: int) -> ExpressionError:
    char = text[place]
    if char in "\"'":
        return ExpressionError(place, "this quote is not closed", f"another {char} in the same line")
    near = {"=": "==", "&": "&& or and", "|": "|| or or", "$": "a plain name such as branch"}
    return ExpressionError(place, f"{char!r} means nothing here", near.get(char, _OPERAND))


@dataclass(slots=True)
class _Reader:
    """Recursive descent, at most MAX_DEPTH deep: either > both > negation > comparison > operand."""

    tokens: list[_Token]
    length: int
    place: int = 0
    names: list[tuple[str, int]] = field(default_factory=list)

    def either(self, depth: int) -> Term:
        terms = [self._both(depth)]
        while self._takes("or"):
            terms.append(self._both(depth))
        return terms[0] if len(terms) == 1 else lambda facts: any(_truth(term(facts)) for term in terms)

    def expect_end(self) -> None:
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            raise ExpressionError(token.offset, f"{token.text!r} is too much here", "and, or, or the end")

    def _both(self, depth: int) -> Term:
        terms = [self._negation(depth)]
        while self._takes("and"):
            terms.append(self._negation(depth))
        return terms[0] if len(terms) == 1 else lambda facts: all(_truth(term(facts)) for term in terms)

    def _negation(self, depth: int) -> Term:
        if not self._takes("not"):
            return self._comparison(depth)
        self._bound(depth)
        term = self._negation(depth + 1)
        return lambda facts: not _truth(term(facts))

    def _comparison(self, depth: int) -> Term:
        left = self._operand(depth)
        token = self._next()
        if token is None or token.text not in _COMPARISONS or token.kind == "text":
            return left
        self.place += 1
        if token.text == "in":
            return _member(left, self._list())
        if token.text == "matches":
            return _glob(left, self._quoted("a quoted glob such as 'release/*'"))
        return _compared(token.text, left, self._operand(depth))

    def _operand(self, depth: int) -> Term:
        if self._takes("("):
            self._bound(depth)
            term = self.either(depth + 1)
            self._close(")")
            return term
        token = self._next()
        if token is None or token.kind not in ("text", "number", "name"):
            raise self._unexpected(_OPERAND)
        self.place += 1
        if token.kind == "name" and token.text not in ("true", "false"):
            self.names.append((token.text, token.offset))
            return lambda facts: facts.get(token.text, "")
        value = token.text[1:-1] if token.kind == "text" else token.text
        return lambda facts: value

    def _list(self) -> Collection[str]:
        self._close("[", "a list such as ['main', 'next']")
        values = [self._quoted("a quoted text")]
        while self._takes(","):
            values.append(self._quoted("a quoted text"))
        self._close("]", "a comma or ]")
        return frozenset(values)

    def _quoted(self, expected: str) -> str:
        token = self._next()
        if token is None or token.kind != "text":
            raise self._unexpected(expected)
        if len(token.text) > MAX_GLOB:
            raise ExpressionError(token.offset, f"this text has {len(token.text)} characters", f"at most {MAX_GLOB}")
        self.place += 1
        return token.text[1:-1]

    def _close(self, sign: str, expected: str = "") -> None:
        if not self._takes(sign):
            raise self._unexpected(expected or sign)

    def _takes(self, text: str) -> bool:
        token = self._next()
        if token is None or token.text != text or token.kind == "text":
            return False
        self.place += 1
        return True

    def _next(self) -> _Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def _unexpected(self, expected: str) -> ExpressionError:
        token = self._next()
        if token is None:
            return ExpressionError(max(0, self.length - 1), "the expression ends too early", expected)
        return ExpressionError(token.offset, f"{token.text[:40]!r} does not fit here", expected)

    def _bound(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise ExpressionError(self.tokens[self.place - 1].offset, f"nested deeper than {MAX_DEPTH} levels")


def _member(left: Term, values: Collection[str]) -> Term:
    return lambda facts: _text(left(facts)) in values


def _glob(left: Term, glob: str) -> Term:
    return lambda facts: matches(glob, _text(left(facts))[:MAX_MATCHED])


def _compared(sign: str, left: Term, right: Term) -> Term:
    if sign == "contains":
        return lambda facts: _text(right(facts)) in _text(left(facts))
    wanted = sign == "=="
    return lambda facts: (_text(left(facts)) == _text(right(facts))) is wanted


def _text(value: Value) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _truth(value: Value) -> bool:
    return value if isinstance(value, bool) else value not in ("", "false")
