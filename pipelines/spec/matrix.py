"""A matrix: the combinations of its values, all of them or a mistake."""

from collections.abc import Mapping as Values
from itertools import product
from math import prod

from pipelines.spec.fields import clip, join
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import KEYS, KINDS
from pipelines.spec.values import ValueReader

MAX_COMBINATIONS = 100
_EXPECTED = 'a list of values such as ["3.11", "3.12"]'

Combination = Values[str, str]
Row = dict[str, str]


def combinations(axes: Values[str, tuple[str, ...]]) -> list[Row]:
    """One value of each axis, in every way; the last axis changes first."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def agrees(part: Combination, combination: Combination) -> bool:
    """Whether a combination has all values of a part."""
    return all(combination.get(axis) == value for axis, value in part.items())


def stage_name(base: str, values: Combination) -> str:
    """`test (3.12, pg)`, or the plain name where there is no matrix."""
    return f"{base} ({', '.join(values.values())})" if values else base


class MatrixReader(ValueReader):
    """Reads `matrix`, and sets `axes` so that what is read after it may name them."""

    def matrix(self, node: Node | None, key: str) -> tuple[Combination, ...]:
        self.axes = ()
        matrix = self.mapping(node, key, "matrix")
        if matrix is None:
            return ()
        axes = {name.text: self._axis(name, value, key) for name, value in _axes(matrix)}
        if len(self.problems) and not all(axes.values()):
            self.axes = tuple(axes)
            return ()
        count = prod(len(values) for values in axes.values())
        if count > MAX_COMBINATIONS:
            self.axes = tuple(axes)
            self.note(matrix, key, f"{count:,} combinations", f"at most {MAX_COMBINATIONS}")
            return ()
        return self._combined(matrix, key, axes)

    def _combined(self, matrix: Mapping, key: str, axes: dict[str, tuple[str, ...]]) -> tuple[Combination, ...]:
        found = combinations(axes) if axes else []
        included = self._rows(matrix.value("include"), join(key, "include"))
        self.axes = tuple(axes) or tuple(included[0][1] if included else ())
        for place, row in self._rows(matrix.value("exclude"), join(key, "exclude")):
            if not row or not any(agrees(row, each) for each in found):
                self.note(place, join(key, "exclude"), "no combination has these values", "values that stand together")
            found = [each for each in found if not agrees(row, each)]
        for place, row in included:
            found += self._included(place, row, join(key, "include"), found)
        if not found:
            self.note(matrix, key, "no combination is left", "at least one")
        if len(found) > MAX_COMBINATIONS:
            self.note(matrix, key, f"{len(found):,} combinations", f"at most {MAX_COMBINATIONS}")
            return ()
        return tuple(found)

    def _included(self, place: Node, row: Row, key: str, found: list[Row]) -> list[Row]:
        if set(row) != set(self.axes):
            self.note(place, key, "this has other names than the matrix", "a value for each of " + ", ".join(self.axes))
            return []
        ordered = {axis: row[axis] for axis in self.axes}
        if ordered in found:
            self.note(place, key, "this combination is there already", "each once")
            return []
        return [ordered]

    def _axis(self, name: Scalar, node: Node, key: str) -> tuple[str, ...]:
        key = join(key, name.text)
        if not KINDS["name"].fits(name.text):
            hint = self.hint(name.text, KEYS["matrix"])
            self.note(name, key, f"{clip(name.text)} does not fit as a name{hint}", KINDS["name"].means)
        if isinstance(node, ListNode) and not node.items:
            self.note(node, key, "this list is empty", _EXPECTED)
        return self.distinct(node, key, lambda item, at: self.read(item, at, "matrix_value"), _EXPECTED)

    def _rows(self, node: Node | None, key: str) -> list[tuple[Node, Row]]:
        def read(item: Node, at: str) -> tuple[Node, Row]:
            values = self.named(item, at, "name", self._named_value, "a mapping such as {python: '3.12'}")
            return item, dict(values)

        if isinstance(node, ListNode) and len(node.items) > MAX_COMBINATIONS:
            self.note(node, key, f"{len(node.items):,} combinations", f"at most {MAX_COMBINATIONS}")
            return []
        return list(self.listing(node, key, read, "a list of mappings such as {python: '3.12'}"))

    def _named_value(self, name: Scalar, node: Node, key: str) -> tuple[str, str] | None:
        text = self.read(node, key, "matrix_value")
        return None if text is None else (name.text, text)


def _axes(matrix: Mapping) -> list[tuple[Scalar, Node]]:
    return [(name, value) for name, value in matrix.entries if name.text not in KEYS["matrix"]]
