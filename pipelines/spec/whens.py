"""Readers of `when`: which events a stage, or a whole file, is for."""

from pipelines.spec import expressions
from pipelines.spec.fields import join
from pipelines.spec.model import Globs, When
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import CONDITION_CONTEXTS, PLACES
from pipelines.spec.values import ValueReader

MAX_WHENS = 20
_STATUSES = {"succeeded": ("succeeded",), "failed": ("failed",), "always": ("succeeded", "failed")}


class WhenReader(ValueReader):
    """A mapping is a list of one."""

    def whens(self, node: Node | None, key: str, place: str = "when") -> tuple[When, ...]:
        if node is None:
            return ()
        if not isinstance(node, ListNode):
            when = self._when(node, key, place)
            return () if when is None else (when,)
        self.expect_items(node, key, PLACES[place].expected)
        if len(node.items) > MAX_WHENS:
            self.note(node, key, f"{len(node.items):,} items", f"at most {MAX_WHENS}")
            return ()
        return self.listing(node, key, lambda item, at: self._when(item, at, place), PLACES[place].expected)

    def _when(self, node: Node, key: str, place: str) -> When | None:
        when = self.mapping(node, key, place)
        if when is None:
            return None
        return When(
            events=self.one_or_list(when.value("event"), join(key, "event"), "event"),
            branches=self._globs(when.value("branch"), join(key, "branch"), "glob", "globs"),
            tags=self._globs(when.value("tag"), join(key, "tag"), "glob", "globs"),
            paths=self._globs(when.value("paths"), join(key, "paths"), "file_glob", "file_globs"),
            condition=self._condition(when.value("if"), join(key, "if")),
            status=self._status(when.value("status"), join(key, "status")),
        )

    def _globs(self, node: Node | None, key: str, kind: str, place: str) -> Globs:
        if not isinstance(node, Mapping):
            return Globs(self.one_or_list(node, key, kind))
        self.mapping(node, key, place)
        return Globs(
            include=self.one_or_list(node.value("include"), join(key, "include"), kind),
            exclude=self.one_or_list(node.value("exclude"), join(key, "exclude"), kind),
        )

    def _status(self, node: Node | None, key: str) -> tuple[str, ...]:
        if node is None:
            return When().status
        words = self.one_or_list(node, key, "status")
        found = {status for word in words for status in _STATUSES[word]}
        return tuple(status for status in _STATUSES["always"] if status in found)

    def _condition(self, node: Node | None, key: str) -> str:
        text = self.read(node, key, "condition")
        if not isinstance(node, Scalar) or text is None:
            return ""
        try:
            expression = expressions.read(text)
        except expressions.ExpressionError as error:
            self.note_inside(node, error.offset, key, error.message, error.expected)
            return ""
        for name, offset in expression.names:
            self.knows(name, node, offset, key, CONDITION_CONTEXTS)
        return text
