"""The stage graph: plates in columns by how many stages stand before them, edges between."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from pipelines.states.status import FINAL, Status

PLATE_WIDTH, PLATE_HEIGHT, COLUMN_GAP, ROW_GAP = 94, 46, 15, 8
WIDEST = 152  # a plate grows with its name up to here
LOW_HEIGHT, LOW_GAP = 26, 4  # of plates in large brackets, which have one line of text
HEAD, FOOT, EDGE = 16, 5, 5  # what a bracket takes above, below and beside its plates
ROOMY = 6  # combinations that are drawn like stages; more of them are drawn low
ABREAST = ((12, 1), (40, 2), (90, 3))  # so many combinations stand in so many rows beside each other
_MOST_ABREAST = 4
_BAD = (Status.FAILED, Status.ERRORED, Status.CANCELLED)
_LETTER, _SMALL, _BESIDE = 7.0, 5.7, 31  # px: of a name, of a note, and what a plate's glyph and margins take


@dataclass(frozen=True, slots=True)
class Node:
    """What is known of a stage: `note` is the second line of its plate.

    Combinations of one matrix have a `group`, and are told apart in it by their `label`.
    """

    name: str
    status: str
    needs: Sequence[str]
    note: str
    group: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Plate:
    """A node and where its upper left corner stands. A low one has no second line."""

    node: Node
    x: float
    y: float
    width: float = PLATE_WIDTH
    height: float = PLATE_HEIGHT

    @property
    def is_low(self) -> bool:
        return self.height < PLATE_HEIGHT

    @property
    def text_x(self) -> float:
        return self.x + 27

    @property
    def glyph_x(self) -> float:
        return self.x + 8

    @property
    def glyph_y(self) -> float:
        return self.y + (6.5 if self.is_low else 8)

    @property
    def name_y(self) -> float:
        return self.y + (17.5 if self.is_low else 19)

    @property
    def note_y(self) -> float:
        return self.y + 36

    @property
    def short_name(self) -> str:
        return _fit(self.node.label or self.node.name, int((self.width - _BESIDE) / _LETTER))

    @property
    def short_note(self) -> str:
        return "" if self.is_low else _fit(self.node.note, int((self.width - _BESIDE) / _SMALL))


@dataclass(frozen=True, slots=True)
class Bracket:
    """Around the combinations of one matrix."""

    name: str
    x: float
    y: float
    width: float
    height: float

    @property
    def name_x(self) -> float:
        return self.x + 5

    @property
    def name_y(self) -> float:
        return self.y + 11

    @property
    def short_name(self) -> str:
        return _fit(self.name, int((self.width - 8) / 6))


@dataclass(frozen=True, slots=True)
class Edge:
    """A path from a plate or bracket to one that needs it; `state` is done, bad or wait."""

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Graph:
    plates: Sequence[Plate]
    brackets: Sequence[Bracket]
    edges: Sequence[Edge]
    width: float
    height: float

    @property
    def width_rem(self) -> float:
        return self.width / 16

    @property
    def height_rem(self) -> float:
        return self.height / 16


def draw(nodes: Sequence[Node]) -> Graph:
    """Needs that name no node are left out; the spec's parser has refused cycles."""
    columns = [[_Block(list(members)) for _, members in groupby(column, key=_together)] for column in _columns(nodes)]
    tallest = max((_height(column) for column in columns), default=0)
    plates: dict[str, Plate] = {}
    brackets: list[Bracket] = []
    large: dict[str, Bracket] = {}  # node → the bracket that its edges may begin and end at
    x = 0.5
    for column in columns:
        y, width = 0.5 + round((tallest - _height(column)) / 2), max(block.width for block in column)
        slim = max((block.plate_width for block in column if not block.is_low), default=0.0)
        margin = EDGE if any(block.group for block in column) else 0
        for block in column:
            wide = block.plate_width if block.is_low else slim
            plates |= {plate.node.name: plate for plate in block.plates(x + margin, y, wide)}
            if block.group:
                brackets.append(Bracket(block.group, x, y, block.across(wide) + 2 * EDGE, block.height))
                large |= dict.fromkeys([node.name for node in block.nodes if block.is_low], brackets[-1])
            y += block.height + ROW_GAP
        x += width + COLUMN_GAP
    return Graph(list(plates.values()), brackets, edges(plates, large), x - COLUMN_GAP + 0.5, tallest + 1)


@dataclass(frozen=True, slots=True)
class _Block:
    """A stage, or the combinations of one matrix within one bracket."""

    nodes: Sequence[Node]

    @property
    def group(self) -> str:
        return self.nodes[0].group

    @property
    def is_low(self) -> bool:
        return len(self.nodes) > ROOMY

    @property
    def abreast(self) -> int:
        return next((rows for most, rows in ABREAST if len(self.nodes) <= most), _MOST_ABREAST)

    @property
    def plate_width(self) -> float:
        letters = max(len(node.label or node.name) for node in self.nodes)
        return min(max(PLATE_WIDTH, round(letters * _LETTER) + _BESIDE), WIDEST)

    @property
    def width(self) -> float:
        return self.across(self.plate_width) + (2 * EDGE if self.group else 0)

    def across(self, plate_width: float) -> float:
        return self.abreast * (plate_width + LOW_GAP) - LOW_GAP

    @property
    def height(self) -> int:
        each, gap = self._pitch()
        rows = ceil(len(self.nodes) / self.abreast)
        return rows * (each + gap) - gap + (HEAD + FOOT if self.group else 0)

    def plates(self, x: float, y: float, width: float) -> list[Plate]:
        """Each of this `width`, the first at `x`; `y` is where the block begins."""
        each, gap = self._pitch()
        top = y + (HEAD if self.group else 0)
        places = (divmod(place, self.abreast) for place in range(len(self.nodes)))
        return [
            Plate(node, x + across * (width + LOW_GAP), top + down * (each + gap), width, each)
            for node, (down, across) in zip(self.nodes, places, strict=True)
        ]

    def _pitch(self) -> tuple[int, int]:
        return (LOW_HEIGHT, LOW_GAP) if self.is_low else (PLATE_HEIGHT, ROW_GAP)


def _together(node: Node) -> str:
    """What stands in one block: a stage of no matrix stands alone."""
    return node.group or f"\0{node.name}"


def _height(column: Sequence[_Block]) -> int:
    return sum(block.height + ROW_GAP for block in column) - ROW_GAP


def edges(plates: Mapping[str, Plate], large: Mapping[str, Bracket]) -> list[Edge]:
    """One for each need; where all of a large bracket take part, one for all of them, from or to the bracket."""
    needs = {(need, name) for name, plate in plates.items() for need in plate.node.needs if need in plates}
    members: dict[int, list[str]] = {}
    for name, bracket in large.items():
        members.setdefault(id(bracket), []).append(name)
    found: dict[tuple[int, int], tuple[str, set[str]]] = {}
    for need, name in sorted(needs):
        source: Plate | Bracket = plates[need]
        target: Plate | Bracket = plates[name]
        if need in large and all((one, name) in needs for one in members[id(large[need])]):
            source = large[need]
        if name in large and all((need, one) in needs for one in members[id(large[name])]):
            target = large[name]
        _, states = found.setdefault((id(source), id(target)), (_path(source, target), set()))
        states.add(_state(plates[need].node, plates[name].node))
    return [Edge(path, _worst(states)) for path, states in found.values()]


def _columns(nodes: Sequence[Node]) -> list[list[Node]]:
    depths = _depths(nodes)
    columns: list[list[Node]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in nodes:
        columns[depths[node.name]].append(node)
    return [column for column in columns if column]


def _depths(nodes: Sequence[Node]) -> Mapping[str, int]:
    """How many stages stand in a row before each; a walk of bounded length, so that no data can hang the page."""
    depths = {node.name: 0 for node in nodes}
    for _ in nodes:
        before = dict(depths)
        for node in nodes:
            deepest = max((depths[need] + 1 for need in node.needs if need in depths), default=0)
            depths[node.name] = min(deepest, len(nodes) - 1)
        if depths == before:
            break
    return depths


def _path(source: Plate | Bracket, target: Plate | Bracket) -> str:
    x1, x2 = source.x + source.width, target.x
    y1, y2 = source.y + source.height / 2, target.y + target.height / 2
    if y1 == y2:
        return f"M{x1:g} {y1:g}H{x2:g}"
    inside = EDGE if isinstance(target, Plate) and target.node.group else 0
    bend = x2 - inside - COLUMN_GAP / 2
    turn = min(5, abs(y2 - y1) / 2) * (1 if y2 > y1 else -1)
    return (
        f"M{x1:g} {y1:g}H{bend - 5:g}Q{bend:g} {y1:g} {bend:g} {y1 + turn:g}"
        f"V{y2 - turn:g}Q{bend:g} {y2:g} {bend + 5:g} {y2:g}H{x2:g}"
    )


def _state(source: Node, target: Node) -> str:
    if source.status in _BAD and target.status == Status.SKIPPED:
        return "bad"
    return "done" if source.status in FINAL and target.status not in (Status.SKIPPED, Status.PENDING) else "wait"


def _worst(states: Collection[str]) -> str:
    return next(state for state in ("bad", "wait", "done") if state in states)


def _fit(text: str, places: int) -> str:
    return text if len(text) <= places else text[: places - 1] + "…"
