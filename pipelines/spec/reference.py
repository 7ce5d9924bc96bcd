"""`reference.yml` as values: the keys, types and limits that the parser, the JSON Schema and the manual share."""

import re
from collections.abc import Mapping as Table
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.spec.nodes import Mapping, Node, Scalar, Sequence, read_source, read_tree

PATH = Path(__file__).with_name("reference.yml")
_LIST, _MAPPING = "list of ", "mapping of "


@dataclass(frozen=True, slots=True)
class Kind:
    """What one scalar may be: `scalar` is text, value (a text as written, quoted or not), boolean, whole or number."""

    name: str
    means: str
    scalar: str
    pattern: re.Pattern[str] | None
    choices: Table[str, str]
    longest: int | None
    least: float | None
    most: float | None

    def fits(self, text: str) -> bool:
        """Whether a text, filled in, is one of this kind."""
        if self.longest is not None and len(text) > self.longest:
            return False
        if self.choices:
            return text in self.choices
        return bool(text.strip()) and (self.pattern is None or self.pattern.fullmatch(text) is not None)


@dataclass(frozen=True, slots=True)
class Type:
    """What a key may hold: names of kinds and places, alone, in lists, or in mappings with the keys' kind `names`."""

    text: str
    single: tuple[str, ...]
    items: tuple["Type | str", ...]
    values: tuple[str, ...]
    names: str


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping. `default` and `examples` are YAML; `filled` says that ${{ … }} may stand in it."""

    name: str
    type: Type
    means: str
    default: str | None
    examples: tuple[str, ...]
    filled: bool
    required: bool
    at_least: int


@dataclass(frozen=True, slots=True)
class Place:
    """One mapping of the language. Of `exactly_one` one key stands in it, and so on.

    Keys that begin with `free` are nobody's; keys beside `keys` have the type `others`.
    """

    name: str
    title: str
    expected: str
    frame: str
    keys: Table[str, Key]
    exactly_one: tuple[str, ...]
    at_least_one: tuple[str, ...]
    at_most_one: tuple[str, ...]
    free: str
    others: Key | None
    hidden: bool
    is_parsed: bool


def plain(node: Node) -> Any:
    """A node as YAML 1.2 reads it: texts, numbers, booleans, None, lists and dicts."""
    if isinstance(node, Mapping):
        return {name.text: plain(value) for name, value in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return _scalar(node)


def load(text: str) -> Any:
    """The one document in a YAML text."""
    return plain(read_tree(read_source(text, str(PATH))))


def _scalar(node: Scalar) -> Any:
    if node.kind == "a boolean":
        return node.text.lower() == "true"
    if node.kind == "a number":
        return int(node.text) if re.fullmatch(r"-?\d+", node.text) else float(node.text)
    return None if node.kind == "nothing" else node.text


def _kind(name: str, told: dict[str, Any]) -> Kind:
    pattern = told.get("pattern")
    return Kind(
        name=name,
        means=told["means"],
        scalar=told.get("scalar", "text"),
        pattern=re.compile(pattern) if pattern else None,
        choices=told.get("choices", {}),
        longest=told.get("longest"),
        least=told.get("least"),
        most=told.get("most"),
    )


def _type(text: str, names: str) -> Type:
    parts = text.split(" or ")
    items = [part.removeprefix(_LIST) for part in parts if part.startswith(_LIST)]
    return Type(
        text=text,
        single=tuple(part for part in parts if not part.startswith((_LIST, _MAPPING))),
        items=tuple(_type(item, names) if item.startswith(_MAPPING) else item for item in items),
        values=tuple(part.removeprefix(_MAPPING) for part in parts if part.startswith(_MAPPING)),
        names=names,
    )


def _key(name: str, told: dict[str, Any]) -> Key:
    return Key(
        name=name,
        type=_type(told["type"], told.get("names", "")),
        means=told["means"].strip(),
        default=None if told.get("default") is None else str(told["default"]),
        examples=tuple(example.strip() for example in told.get("examples", ())),
        filled=told.get("filled", False),
        required=told.get("required", False),
        at_least=told.get("at_least", 0),
    )


def _place(name: str, told: dict[str, Any], every: dict[str, Any]) -> Place:
    keys = told.get("keys") or every[told["like"]]["keys"]
    left_out = told.get("without", ())
    others = told.get("others")
    return Place(
        name=name,
        title=told["title"],
        expected=told["expected"],
        frame=told["frame"],
        keys={key: _key(key, about) for key, about in keys.items() if key not in left_out},
        exactly_one=tuple(told.get("exactly_one", ())),
        at_least_one=tuple(told.get("at_least_one", ())),
        at_most_one=tuple(told.get("at_most_one", ())),
        free=told.get("free", ""),
        others=None if others is None else _key("NAME", others),
        hidden=told.get("hidden", False),
        is_parsed=not told.get("skip_parsing", False),
    )


TOLD: dict[str, Any] = load(PATH.read_text("utf-8"))
KINDS: dict[str, Kind] = {name: _kind(name, told) for name, told in TOLD["types"].items()}
PLACES: dict[str, Place] = {name: _place(name, told, TOLD["places"]) for name, told in TOLD["places"].items()}
KEYS: dict[str, tuple[str, ...]] = {name: tuple(place.keys) for name, place in PLACES.items()}
CHOICES: dict[str, tuple[str, ...]] = {name: tuple(kind.choices) for name, kind in KINDS.items() if kind.choices}
CONTEXTS: tuple[str, ...] = tuple(TOLD["contexts"])
CONDITION_CONTEXTS: tuple[str, ...] = (*CONTEXTS, *TOLD["condition_contexts"])
