"""Text to a tree of nodes that remember their place: the one door of the YAML library, with its bounds.

Everything hostile is refused before it costs: size first, then control characters, then depth and number of
nodes while the parser is still reading. Anchors and aliases are allowed (an alias counts as many nodes as it
stands for, and a long text as several, so that no small file grows large); tags, merge keys, keys that are not
words and a second document are not.

The library is libyaml, by PyYAML's events alone: places are exact, values are typed here. Two of its loops are
quadratic, and refused before they turn: nested brackets (by MAX_DEPTH) and %TAG lines (before it reads at all).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import yaml
from yaml import CSafeLoader  # not there without libyaml, which every wheel of PyYAML has: then nothing starts
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pipelines.spec.errors import Problem, SpecError, excerpt

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20
MAX_NODES = 20_000
TEXT_PER_NODE = 256

# Control characters but tab and newline, the line ends that only some programs see, and the marks that make
# text read in another order than it runs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_DIRECTIVE = re.compile("^%", re.MULTILINE)
_ADVICE = {
    "mapping values are not allowed in this context": "quotes around a text with a colon, or another indentation",
    "found character that cannot start any token": "quotes around a text that begins so",
    "did not find expected key": "the indentation of the keys above, or quotes around a text",
    "could not find expected ':'": "a colon and a space after a key",
}
_NUMBER = re.compile(
    r"[-+]?(\d[\d_]*(\.\d*)?|\.\d+)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(inf|nan)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word, with its text exactly as written; `plain` means that no quotes stood around it."""

    line: int
    column: int
    text: str
    plain: bool
    height: int = 1

    @property
    def nodes(self) -> int:
        """How many nodes this counts as."""
        return 1 + len(self.text) // TEXT_PER_NODE

    @property
    def kind(self) -> str:
        """What the text would be to a YAML reader: text, number, boolean or nothing."""
        if not self.plain:
            return "text"
        if self.text in ("", "~", "null", "Null", "NULL"):
            return "nothing"
        if self.text.lower() in ("true", "false"):
            return "a boolean"
        return "a number" if _NUMBER.fullmatch(self.text) else "text"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    column: int
    items: tuple["Node", ...]
    nodes: int
    height: int
    kind: str = "a list"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with values, in the order of the file."""

    line: int
    column: int
    entries: tuple[tuple[Scalar, "Node"], ...]
    nodes: int
    height: int
    kind: str = "a mapping"

    def value(self, key: str) -> "Node | None":
        return next((value for name, value in self.entries if name.text == key), None)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Source:
    """The file's text and name, and the way to point at a place in it."""

    path: str
    lines: tuple[str, ...]
    inner: bool = False  # not the file that was asked for: problems carry its path

    def problem(self, line: int, column: int, key_path: str, message: str, expected: str = "") -> Problem:
        path = self.path if self.inner else ""
        return Problem(line, column, key_path, message, expected, excerpt(self.line(line)), path)

    def line(self, number: int) -> str:
        """The text of a line, counted from 1."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def refuse(self, line: int, column: int, message: str, expected: str = "") -> SpecError:
        return SpecError(self.path, [self.problem(line, column, "", message, expected)])


def read_source(text: bytes | str, path: str, *, inner: bool = False) -> Source:
    """Check size, encoding and characters, and split into lines; raises SpecError with the first offence."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    empty = Source(path, (), inner)
    if len(raw) > MAX_BYTES:
        raise empty.refuse(1, 1, f"the file has {len(raw):,} bytes", f"at most {MAX_BYTES:,} bytes")
    whole = _decode(raw, empty).removeprefix("\ufeff").replace("\r\n", "\n")
    source = Source(path, tuple(whole.split("\n")), inner)
    if found := _UNPRINTABLE.search(whole):
        raise source.refuse(*_counted(whole, found.start()), _unprintable(found[0]), "printable text")
    if found := _DIRECTIVE.search(whole):
        raise source.refuse(
            *_counted(whole, found.start()), "directives (lines with %) are not supported", "plain YAML"
        )
    return source


def _counted(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def read_tree(source: Source) -> Node:
    """The file's one document as nodes; raises SpecError when it is no YAML, empty, or beyond a bound."""
    try:
        events = _events(source)
        root = next((_Composer(source, events).compose(event, 1) for event in events), None)
        if root is None:
            raise source.refuse(1, 1, "the file is empty", "at least `stages`")
        if (extra := next(events, None)) is not None:
            raise source.refuse(*_place(extra), "a second document starts here", "one document in the file")
    except yaml.MarkedYAMLError as error:
        raise _translate(source, error) from error
    return root


def _decode(raw: bytes, source: Source) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise source.refuse(line, column, "the file is not UTF-8 text", "UTF-8") from error


def _unprintable(char: str) -> str:
    return f"the character U+{ord(char):04X} is not allowed"


def _events(source: Source) -> Iterator[Event]:
    for event in yaml.parse("\n".join(source.lines), Loader=CSafeLoader):
        if isinstance(event, NodeEvent | MappingEndEvent | SequenceEndEvent):
            yield event


def _place(event: Event) -> tuple[int, int]:
    assert event.start_mark is not None  # the C parser gives every event its place
    return event.start_mark.line + 1, event.start_mark.column + 1


def _too_deep() -> str:
    return f"nested deeper than {MAX_DEPTH} levels"


def _translate(source: Source, error: yaml.MarkedYAMLError) -> SpecError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    reason = " ".join(str(error.problem or error.context or "not valid YAML").split())
    if "\t" in source.line(line)[:column]:
        return source.refuse(line, column, "a tab stands where only spaces may indent", "spaces")
    return source.refuse(line, column, f"not valid YAML: {reason}{_beginning(error, line)}", _ADVICE.get(reason, ""))


def _beginning(error: yaml.MarkedYAMLError, line: int) -> str:
    """Where what was never closed began, if that is another line."""
    mark, context = error.context_mark, str(error.context or "")
    if mark is None or mark.line + 1 == line or not context.startswith("while "):
        return ""
    return f", {context}{' that began' if ' a ' in context else ''} in line {mark.line + 1}"


class _Composer:
    """Builds nodes from events, counting as it goes."""

    def __init__(self, source: Source, events: Iterator[Event]) -> None:
        self.source = source
        self.events = events
        self.anchors: dict[str, Node] = {}
        self.count = 0

    def compose(self, event: Event, depth: int) -> Node:
        node = self._alias(event) if isinstance(event, AliasEvent) else self._node(event, depth)
        self.count += node.nodes if isinstance(event, AliasEvent | ScalarEvent) else 1
        if self.count > MAX_NODES:
            raise self._refuse(event, f"the file holds more than {MAX_NODES:,} values")
        if depth + node.height - 1 > MAX_DEPTH:
            raise self._refuse(event, _too_deep())
        return node

    def _node(self, event: Event, depth: int) -> Node:
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
        if depth > MAX_DEPTH:
            raise self._refuse(event, _too_deep())
        if event.tag is not None:
            raise self._refuse(event, f"tags such as {str(event.tag)[:50]} are not supported", "plain values")
        node = self._collect(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _collect(self, event: ScalarEvent | SequenceStartEvent | MappingStartEvent, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self.anchors:
            raise self._refuse(
                event, f"no value named &{str(event.anchor)[:50]} stands above", "an anchor that ended above"
            )
        return self.anchors[event.anchor]

    def _scalar(self, event: ScalarEvent) -> Scalar:
        # Escapes in double quotes can make what the raw text may not hold.
        if found := _UNPRINTABLE.search(event.value):
            raise self._refuse(event, _unprintable(found[0]), "printable text")
        return Scalar(*_place(event), event.value, plain=not event.style)

    def _sequence(self, event: SequenceStartEvent, depth: int) -> Sequence:
        items = []
        while not isinstance(child := next(self.events), SequenceEndEvent):
            items.append(self.compose(child, depth + 1))
        return Sequence(*_place(event), tuple(items), *_measure(items))

    def _mapping(self, event: MappingStartEvent, depth: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(child := next(self.events), MappingEndEvent):
            key = self._key(child, entries)
            value = self.compose(next(self.events), depth + 1)
            if isinstance(value, Scalar) and value.kind == "nothing" and not value.text:
                # The library places a value that is not there at the next token, lines below.
                value = replace(value, line=key.line, column=key.column)
            entries[key.text] = (key, value)
        nodes = [node for entry in entries.values() for node in entry]
        return Mapping(*_place(event), tuple(entries.values()), *_measure(nodes))

    def _key(self, event: Event, taken: dict[str, tuple[Scalar, Node]]) -> Scalar:
        if not isinstance(event, ScalarEvent):
            raise self._refuse(event, "this key is not a word", "a name before the colon")
        key = self.compose(event, 1)
        assert isinstance(key, Scalar)
        if key.plain and key.text == "<<":
            raise self._refuse(event, "merge keys (`<<`) are not supported", "the keys written out, or an alias")
        if key.text in taken:
            first = taken[key.text][0].line
            raise self._refuse(event, f"the key {key.text[:50]!r} stands twice; first in line {first}", "each key once")
        return key

    def _refuse(self, event: Event, message: str, expected: str = "") -> SpecError:
        return self.source.refuse(*_place(event), message, expected)


def _measure(children: list[Node]) -> tuple[int, int]:
    """Nodes and height of a collection over these children."""
    nodes = 1 + sum(child.nodes for child in children)
    return nodes, 1 + max((child.height for child in children), default=0)
