"""Readers of what many keys hold: lists of texts, numbers, times, flags and variables."""

from collections.abc import Callable
from typing import TypeVar

from pipelines.spec.fields import MAX_ENV_NODES, Reader, clip, join, plain_number, seconds, shown
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import KINDS

T = TypeVar("T")


class ValueReader(Reader):
    """A missing node is the default, without a problem."""

    def distinct(
        self, node: Node | None, key: str, read: Callable[[Node, str], str | None], expected: str
    ) -> tuple[str, ...]:
        """A list of texts in which each stands once."""
        seen: set[str] = set()

        def read_new(item: Node, item_key: str) -> str | None:
            text = read(item, item_key)
            if text is not None and text in seen:
                self.note(item, item_key, f"{clip(text)} stands twice", "each once")
                return None
            seen.add(text or "")
            return text

        return self.listing(node, key, read_new, expected)

    def texts(self, node: Node | None, key: str, kind: str, *, filled: bool = False) -> tuple[str, ...]:
        """A list of texts of a kind, each once."""
        expected = f"a list, each {KINDS[kind].means}"
        return self.distinct(node, key, lambda item, at: self.read(item, at, kind, filled=filled), expected)

    def one_or_list(self, node: Node | None, key: str, kind: str, *, filled: bool = False) -> tuple[str, ...]:
        """A single text is a list of one; an empty list is refused, since it would mean nothing."""
        self.expect_items(node, key, KINDS[kind].means)
        if node is None or isinstance(node, ListNode):
            return self.texts(node, key, kind, filled=filled)
        text = self.read(node, key, kind, filled=filled)
        return () if text is None else (text,)

    def expect_items(self, node: Node | None, key: str, expected: str) -> None:
        if isinstance(node, ListNode) and not node.items:
            self.note(node, key, "this list is empty", expected)

    def whole(self, node: Node | None, key: str, kind: str, default: int) -> int:
        """A whole number within the bounds of its kind."""
        if node is None:
            return default
        least, most = int(KINDS[kind].least or 0), int(KINDS[kind].most or 0)
        number = plain_number(node)
        if number is None or not least <= number <= most:
            self.note(node, key, f"{shown(node)} does not fit", f"a whole number from {least} to {most}")
            return default
        return number

    def duration(self, node: Node | None, key: str, default: T, kind: str = "duration") -> int | T:
        """Seconds of a text such as `90s`, `20m` or `30d`."""
        if node is None:
            return default
        told = KINDS[kind]
        text = node.text if isinstance(node, Scalar) else ""
        total = seconds(text) if told.pattern and told.pattern.fullmatch(text) else None
        if total is None or not (told.least or 0) <= total <= (told.most or total):
            self.note(node, key, f"{shown(node)} does not fit", told.means)
            return default
        return total

    def boolean(self, node: Node | None, key: str, default: bool = False) -> bool:
        if isinstance(node, Scalar) and node.kind == "a boolean":
            return node.text.lower() == "true"
        if node is not None:
            self.note(node, key, f"{shown(node)} does not fit", "true or false")
        return default

    def env(self, node: Node | None, key: str) -> dict[str, str]:
        """Values are taken as they are written, so 3.10 stays 3.10; only an empty one must be quoted."""
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            self.note(node, key, f"this is {node.kind}", "a mapping of names to texts")
            return {}
        if sum(name.nodes + value.nodes for name, value in node.entries) > MAX_ENV_NODES:
            self.note(node, key, "these are too many or too long variables", "at most 200, 32 KiB together")
            return {}
        return {
            name.text: text
            for name, value in node.entries
            if self.env_name(name, join(key, name.text))
            if (text := self.read(value, join(key, name.text), "value", filled=True)) is not None
        }

    def env_name(self, node: Node, key: str) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        if KINDS["variable"].fits(text):
            return text
        self.note(node, key, f"{shown(node)} does not fit as a variable's name", KINDS["variable"].means)
        return None
