"""Which stage waits for which: the needs as written, the ones that the order of a file implies, and rings of them."""

from dataclasses import dataclass

from pipelines.spec import graph
from pipelines.spec.fields import clip, join
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.values import ValueReader


@dataclass(frozen=True, slots=True)
class Need:
    """A stage that another waits for, by its full name; `node` is None where the file's order says so."""

    name: str
    node: Node | None


@dataclass(slots=True)
class Needs:
    """What one stage waits for, with the list that says so if one does, and the reader of its file."""

    reader: ValueReader
    key: str
    prefix: str
    node: Node | None
    items: list[Need]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(need.name for need in self.items))


def needs_of(reader: ValueReader, stages: Mapping, prefix: str) -> dict[str, Needs]:
    """The needs of each stage of one file: its own list, else the stage before it. `prefix` goes before its names."""
    found: dict[str, Needs] = {}
    before: str | None = None
    for name, body in stages.entries:
        node = body.value("needs") if isinstance(body, Mapping) else None
        key = join(join("stages", name.text), "needs")
        implied = [] if before is None else [Need(before, None)]
        full = prefix + name.text
        found[full] = Needs(reader, key, prefix, node, implied if node is None else _written(node))
        before = full
    return found


def check(found: dict[str, Needs]) -> None:
    """Give every need its full name; note those that no stage has, and a ring if there is one."""
    for needs in found.values():
        if needs.node is not None:
            _resolve(needs, found)
    cycle = graph.find_cycle({stage: needs.names for stage, needs in found.items()})
    if cycle is not None:
        _note_cycle(cycle, found)


def _written(node: Node) -> list[Need]:
    items = node.items if isinstance(node, ListNode) else ()
    return [Need(item.text, item) for item in items if isinstance(item, Scalar)]


def _resolve(needs: Needs, found: dict[str, Needs]) -> None:
    known = [name.removeprefix(needs.prefix) for name in found]

    def read(node: Node, key: str) -> str | None:
        text = needs.reader.text(node, key, "the name of a stage")
        if text is None or needs.prefix + text in found or text in found:
            return text
        message = f"no stage is called {clip(text)}{needs.reader.hint(text, known)}"
        needs.reader.note(node, key, message, "one of " + ", ".join(known[:20]))
        return None

    right = set(needs.reader.distinct(needs.node, needs.key, read, "a list of stage names"))
    own = {need.name: needs.prefix + need.name for need in needs.items}
    needs.items = [
        Need(own[need.name] if own[need.name] in found else need.name, need.node)
        for need in needs.items
        if need.name in right
    ]


def _note_cycle(cycle: graph.Cycle, found: dict[str, Needs]) -> None:
    """Points at a need that is written down; at least one is, as the implied ones all lead upwards."""
    ring = zip(cycle.names, (*cycle.names[1:], cycle.names[0]), strict=True)
    for stage, needed in ring:
        need = next(need for need in found[stage].items if need.name == needed)
        if need.node is not None:
            message = f"these stages wait for each other: {cycle}"
            message = "this stage needs itself" if stage == needed else message
            found[stage].reader.note(need.node, found[stage].key, message, "needs without a ring")
            return
