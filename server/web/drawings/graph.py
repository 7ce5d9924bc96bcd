"""The stage graph: plates in columns by how many stages stand before them, edges between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.states.status import FINAL, Status

PLATE_WIDTH, PLATE_HEIGHT, COLUMN_GAP, ROW_GAP = 94, 46, 15, 8
_BAD = (Status.FAILED, Status.ERRORED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Node:
    """What is known of a stage: `note` is the second line of its plate."""

    name: str
    status: str
    needs: Sequence[str]
    note: str


@dataclass(frozen=True, slots=True)
class Plate:
    """A node and where its upper left corner stands."""

    node: Node
    x: float
    y: float

    @property
    def text_x(self) -> float:
        return self.x + 27

    @property
    def glyph_x(self) -> float:
        return self.x + 8

    @property
    def glyph_y(self) -> float:
        return self.y + 8

    @property
    def name_y(self) -> float:
        return self.y + 19

    @property
    def note_y(self) -> float:
        return self.y + 36

    @property
    def short_name(self) -> str:
        return _fit(self.node.name, 9)

    @property
    def short_note(self) -> str:
        return _fit(self.node.note, 11)


@dataclass(frozen=True, slots=True)
class Edge:
    """A path from a plate to one that needs it; `state` is done, bad or wait."""

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Graph:
    plates: Sequence[Plate]
    edges: Sequence[Edge]
    width: int
    height: int

    @property
    def width_rem(self) -> float:
        return self.width / 16

    @property
    def height_rem(self) -> float:
        return self.height / 16


def draw(nodes: Sequence[Node]) -> Graph:
    """Needs that name no node are left out; the spec's parser has refused cycles."""
    columns = _columns(nodes)
    tallest = max((len(column) for column in columns), default=0)
    plates = {
        node.name: Plate(node, _x(place), _y(row, len(column), tallest))
        for place, column in enumerate(columns)
        for row, node in enumerate(column)
    }
    edges = [
        Edge(_path(plates[need], plate), _state(plates[need].node, plate.node))
        for plate in plates.values()
        for need in plate.node.needs
        if need in plates
    ]
    width = len(columns) * (PLATE_WIDTH + COLUMN_GAP) - COLUMN_GAP + 1
    return Graph(list(plates.values()), edges, width, tallest * (PLATE_HEIGHT + ROW_GAP) - ROW_GAP + 1)


def _columns(nodes: Sequence[Node]) -> list[list[Node]]:
    depths = _depths(nodes)
    columns: list[list[Node]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in nodes:
        columns[depths[node.name]].append(node)
    return columns


def _depths(nodes: Sequence[Node]) -> Mapping[str, int]:
    """How many stages stand in a row before each; a walk of bounded length, so that no data can hang the page."""
    depths = {node.name: 0 for node in nodes}
    for _ in nodes:
        for node in nodes:
            before = [depths[need] + 1 for need in node.needs if need in depths]
            depths[node.name] = min(max(before, default=0), len(nodes) - 1)
    return depths


def _x(column: int) -> float:
    return 0.5 + column * (PLATE_WIDTH + COLUMN_GAP)


def _y(row: int, rows: int, tallest: int) -> float:
    """Columns that are shorter than the tallest stand in its middle."""
    return 0.5 + round((row + (tallest - rows) / 2) * (PLATE_HEIGHT + ROW_GAP))


def _path(source: Plate, target: Plate) -> str:
    x1, x2 = source.x + PLATE_WIDTH, target.x
    y1, y2 = source.y + PLATE_HEIGHT / 2, target.y + PLATE_HEIGHT / 2
    if y1 == y2:
        return f"M{x1} {y1}H{x2}"
    bend = x2 - COLUMN_GAP / 2
    turn = 5 if y2 > y1 else -5
    return f"M{x1} {y1}H{bend - 5}Q{bend} {y1} {bend} {y1 + turn}V{y2 - turn}Q{bend} {y2} {bend + 5} {y2}H{x2}"


def _state(source: Node, target: Node) -> str:
    if source.status in _BAD and target.status == Status.SKIPPED:
        return "bad"
    return "done" if source.status in FINAL and target.status not in (Status.SKIPPED, Status.PENDING) else "wait"


def _fit(text: str, places: int) -> str:
    return text if len(text) <= places else text[: places - 1] + "…"
