"""Nodes to checked values: each reader here returns a usable value or notes what was expected, and goes on."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from pipelines.spec import templates
from pipelines.spec.errors import MAX_PROBLEMS, Problem
from pipelines.spec.nodes import Mapping, Node, Scalar, Source
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import CONTEXTS, KEYS, KINDS, PLACES, Kind, Place

__all__ = ["KEYS", "Reader", "clip", "join", "plain_number", "seconds", "shown"]

MAX_TEXT = 32 * 1024
MAX_ENV_NODES = 528  # 200 names, 200 values, 32 KiB of text

_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SHELL = "a variable of the shell such as $SLIPWAY_MATRIX_PYTHON or $SLIPWAY_BRANCH, or the value put into `env`"
_NOT_FILLED = "a value that is written out; the manual says where `${{ … }}` may stand"

T = TypeVar("T")


class Reader:
    """Reads values out of nodes and gathers every problem met on the way.

    `axes` are the names of the matrix of the stage that is being read, `parameters` those of the file.
    """

    def __init__(self, source: Source, problems: list[Problem] | None = None) -> None:
        self.source = source
        self.problems: list[Problem] = [] if problems is None else problems
        self.axes: tuple[str, ...] = ()
        self.parameters: tuple[str, ...] = ()

    def note(self, node: Node, key: str, message: str, expected: str = "") -> None:
        self.problems.append(self.source.problem(node.line, node.column, key, message, expected))

    def note_inside(self, node: Scalar, offset: int, key: str, message: str, expected: str = "") -> None:
        """A problem at a character of a text, if the text stands in its line as it was written."""
        quote = 0 if node.plain else 1
        start = node.column - 1 + quote
        written = self.source.line(node.line)[start : start + offset + 1] == node.text[: offset + 1]
        column = start + offset + 1 if written else node.column
        self.problems.append(self.source.problem(node.line, column, key, message, expected))

    def mapping(self, node: Node | None, key: str, name: str) -> Mapping | None:
        """The node if it is a mapping; its keys are held against the place of this name in the reference."""
        if node is None:
            return None
        place = PLACES[name]
        if not isinstance(node, Mapping):
            self.note(node, key, f"this is {node.kind}", place.expected)
            return None
        for entry, _ in node.entries:
            if not self._is_known(entry, place):
                self._unknown(entry, join(key, entry.text), tuple(place.keys))
        self._check_missing(node, key, place)
        return node

    def _is_known(self, name: Scalar, place: Place) -> bool:
        free = bool(place.free) and name.text.startswith(place.free)
        return free or place.others is not None or name.text in place.keys

    def _check_missing(self, node: Mapping, key: str, place: Place) -> None:
        there = {name.text for name, _ in node.entries}
        for name, told in place.keys.items():
            if told.required and name not in there:
                self.note(node, join(key, name), "this key is missing", type_words(told.type.single, told.type.items))
        if place.at_least_one and not there & set(place.at_least_one):
            self.note(node, join(key, place.at_least_one[0]), "this key is missing", _either(place.at_least_one))
        if place.exactly_one and not there & set(place.exactly_one):
            self.note(node, key, "a key is missing", "either " + _either(place.exactly_one))
        for names in (place.exactly_one, place.at_most_one):
            if len(there & set(names)) > 1:
                self.note(node, key, "these keys exclude each other", "either " + _either(names))

    def _unknown(self, name: Scalar, key: str, known: Sequence[str]) -> None:
        self.note(name, key, "unknown key" + self.hint(name.text, known), "one of " + ", ".join(known))

    def hint(self, text: str, known: Sequence[str]) -> str:
        """A question for the known name that was probably meant; none once the list of problems is full."""
        if len(self.problems) >= MAX_PROBLEMS:
            return ""
        word = text[:50].lower()
        near = get_close_matches(word, known, n=1, cutoff=0.6)
        near = near or [name for name in known if len(word) > 2 and name.startswith(word)]
        return f"; did you mean `{near[0]}`?" if near else ""

    def read(self, node: Node | None, key: str, kind: str, *, filled: bool = False) -> str | None:
        """A text of this kind; with `filled`, `${{ … }}` may stand in it, and it is checked when it is filled in."""
        told = KINDS[kind]
        text = self._as_written(node, key) if told.scalar == "value" else self.text(node, key, told.means)
        if not isinstance(node, Scalar) or text is None:
            return None
        if templates.OPENING in text:
            return text if self._is_template(node, key, filled, _SHELL if kind == "command" else _NOT_FILLED) else None
        if not told.fits(text) and not (told.scalar == "value" and told.pattern is None):
            self._note_unfit(node, key, told)
            return None
        return text

    def _note_unfit(self, node: Scalar, key: str, kind: Kind) -> None:
        if not kind.choices:
            return self.note(node, key, f"{clip(node.text)} does not fit", kind.means)
        known = tuple(kind.choices)
        message = f"{clip(node.text)} is not {kind.means}{self.hint(node.text, known)}"
        return self.note(node, key, message, "one of " + ", ".join(known))

    def _is_template(self, node: Scalar, key: str, filled: bool, instead: str) -> bool:
        offset = node.text.find(templates.OPENING)
        if not filled:
            self.note_inside(node, offset, key, "`${{ … }}` is not filled in here", instead)
            return False
        try:
            found = templates.names(node.text)
        except templates.TemplateError as error:
            self.note_inside(node, error.offset, key, str(error), "a name, such as ${{ branch }}")
            return False
        known = [self.knows(name, node, place, key, CONTEXTS) for name, place in found]
        return all(known)

    def knows(self, name: str, node: Scalar, offset: int, key: str, contexts: Sequence[str]) -> bool:
        """Whether a name stands for something here; notes it with the nearest right one if not."""
        known = [context for context in contexts if "." not in context]
        known += [f"matrix.{axis}" for axis in self.axes] + [f"parameters.{name}" for name in self.parameters]
        if name in known:
            return True
        message = f"nothing is called {clip(name)} here{self.hint(name, known)}"
        self.note_inside(node, offset, key, message, "one of " + ", ".join(known[:30]))
        return False

    def text(self, node: Node | None, key: str, expected: str) -> str | None:
        """A text that is not empty. What YAML takes for a number or a boolean must be quoted: 3.10 is 3.1."""
        if node is None:
            return None
        if not isinstance(node, Scalar) or (node.plain and node.kind == "nothing"):
            self.note(node, key, f"this is {node.kind}", expected)
        elif node.kind != "text":
            self.note(node, key, f"YAML reads {clip(node.text)} as {node.kind}; quote it", f'"{node.text[:60]}"')
        elif not node.text.strip():
            self.note(node, key, "this is empty", expected)
        elif len(node.text) > MAX_TEXT:
            self.note(node, key, f"this has {len(node.text):,} characters", f"at most {MAX_TEXT:,}")
        else:
            return node.text
        return None

    def _as_written(self, node: Node | None, key: str) -> str | None:
        """Any scalar but an empty one, quoted or not."""
        if node is None:
            return None
        if not isinstance(node, Scalar) or node.kind == "nothing":
            self.note(node, key, f"this is {node.kind}", 'a text; "" for an empty one')
        elif len(node.text) > MAX_TEXT:
            self.note(node, key, f"this has {len(node.text):,} characters", f"at most {MAX_TEXT:,}")
        else:
            return node.text
        return None

    def listing(
        self, node: Node | None, key: str, read: Callable[[Node, str], T | None], expected: str
    ) -> tuple[T, ...]:
        """Each item of a list through `read`; items that were refused are left out. No node is no items."""
        if node is None:
            return ()
        if not isinstance(node, ListNode):
            self.note(node, key, f"this is {node.kind}", expected)
            return ()
        values = [read(item, f"{key}[{index}]") for index, item in enumerate(node.items)]
        return tuple(value for value in values if value is not None)

    def named(
        self, node: Node | None, key: str, kind: str, read: Callable[[Scalar, Node, str], T | None], expected: str
    ) -> tuple[T, ...]:
        """Each entry of a mapping whose names are of a kind, through `read`."""
        if node is None:
            return ()
        if not isinstance(node, Mapping):
            self.note(node, key, f"this is {node.kind}", expected)
            return ()
        values = []
        for name, value in node.entries:
            if not KINDS[kind].fits(name.text):
                self.note(name, join(key, name.text), f"{clip(name.text)} does not fit as a name", KINDS[kind].means)
            values.append(read(name, value, join(key, name.text)))
        return tuple(value for value in values if value is not None)


def type_words(*names: Sequence[object]) -> str:
    """What fits, in words, from the names of kinds and places."""
    words = [KINDS[name].means for group in names for name in group if isinstance(name, str) and name in KINDS]
    return " or ".join(words) or "it"


def plain_number(node: Node) -> int | None:
    """The number that an unquoted scalar of up to nine digits stands for."""
    if isinstance(node, Scalar) and node.plain and re.fullmatch(r"0|[1-9]\d{0,8}", node.text, re.ASCII):
        return int(node.text)
    return None


def seconds(text: str) -> int | None:
    """Seconds of a text such as `90s`, `1h30m` or `30d`; None if it is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + rest


def join(key: str, name: str) -> str:
    """The path of a key below another; long names are cut, the line and column still find them."""
    name = name[:50]
    return f"{key}.{name}" if key else name


def clip(text: str) -> str:
    """A quoted text of a length that fits into a message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def shown(node: Node) -> str:
    """What to call a node in a message."""
    return clip(node.text) if isinstance(node, Scalar) and node.text else f"{node.kind}"


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)
