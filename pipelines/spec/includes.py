"""Files that a pipeline file includes: which, how deep, how many, and how their text is got."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.errors import UserError
from pipelines.spec.errors import Problem, SpecError
from pipelines.spec.fields import clip, join
from pipelines.spec.nodes import MAX_BYTES, MAX_NODES, Mapping, Node, Scalar, Sequence, Source, read_source, read_tree
from pipelines.spec.reference import PLACES
from pipelines.spec.values import ValueReader

MAX_DEPTH = 3
MAX_FILES = 20
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOVING = ("HEAD", "main", "master")
_PLACE = PLACES["include"]


@dataclass(frozen=True, slots=True)
class IncludeSpec:
    """A file to include: of the same commit, or of another `project` at `ref`, a full commit id or refs/tags/…"""

    path: str
    project: str = ""
    ref: str = ""

    def __str__(self) -> str:
        return f"{self.project}@{self.ref.removeprefix('refs/tags/')}:{self.path}" if self.project else self.path


Load = Callable[[IncludeSpec], bytes]
"""Raises UserError with a sentence for what cannot be had."""


@dataclass(slots=True)
class Document:
    """One file that was read, with those it includes; `top` is None if it is no mapping."""

    source: Source
    top: Mapping | None
    is_included: bool = False
    prefix: str = ""
    children: list["Document"] = field(default_factory=list)


class Library:
    """Opens files and what they include, each once, within the bounds of all of them together."""

    def __init__(self, load: Load | None, problems: list[Problem]) -> None:
        self.load = load
        self.problems = problems
        self.known: dict[IncludeSpec, Document] = {}
        self.left = {"bytes": MAX_BYTES, "nodes": MAX_NODES}

    def open(self, source: Source, spec: IncludeSpec) -> Document:
        """The file that was asked for, or one of a folder of them; raises SpecError if it cannot be read at all."""
        document = Document(source, self._top(source, "file"))
        self._include(document, (spec,))
        return document

    def _top(self, source: Source, place: str) -> Mapping | None:
        self._spend(source, "bytes", sum(len(line) + 1 for line in source.lines), MAX_BYTES)
        root = read_tree(source)
        self._spend(source, "nodes", root.nodes, MAX_NODES)
        return ValueReader(source, self.problems).mapping(root, "", place)

    def _spend(self, source: Source, what: str, count: int, most: int) -> None:
        self.left[what] -= count
        if self.left[what] < 0 and source.inner:
            raise source.refuse(1, 1, "with this file, all are too large together", f"at most {most:,} {what}")

    def _include(self, document: Document, chain: tuple[IncludeSpec, ...]) -> None:
        node = None if document.top is None else document.top.value("include")
        reader = _IncludeReader(document.source, self.problems)
        for place, spec in reader.includes(node, chain[-1]):
            fault = self._fault(spec, chain)
            if fault:
                reader.note(place, "include", *fault)
            elif (child := self.known.get(spec)) is not None:
                document.children.append(child)
            elif (child := self._opened(reader, place, spec)) is not None:
                document.children.append(child)
                self._include(child, (*chain, spec))

    def _fault(self, spec: IncludeSpec, chain: tuple[IncludeSpec, ...]) -> tuple[str, str] | None:
        if spec in chain:
            ring = " -> ".join(str(each) for each in (*chain[chain.index(spec) :], spec))
            return f"these files include each other: {ring}", "includes without a ring"
        if len(chain) > MAX_DEPTH:
            return "this is included too deep", f"at most {MAX_DEPTH} files deep"
        if spec not in self.known and len(self.known) >= MAX_FILES:
            return "this is one file too many", f"at most {MAX_FILES} included files"
        if self.load is None:
            return f"{spec} cannot be read here", "the server, or `slipway lint` in the working tree"
        return None

    def _opened(self, reader: ValueReader, place: Node, spec: IncludeSpec) -> Document | None:
        assert self.load is not None
        try:
            raw = self.load(spec)
        except UserError as error:
            message = error.problems[0].message if isinstance(error, SpecError) else str(error)
            reader.note(place, "include", message, "a file that can be read")
            return None
        try:
            source = read_source(raw, str(spec), inner=True)
            document = Document(source, self._top(source, "included"), is_included=True)
        except SpecError as error:
            self.problems.extend(error.problems)
            return None
        self.known[spec] = document
        return document


class _IncludeReader(ValueReader):
    def includes(self, node: Node | None, within: IncludeSpec) -> tuple[tuple[Node, IncludeSpec], ...]:
        def read(item: Node, key: str) -> tuple[Node, IncludeSpec] | None:
            spec = self._include(item, key, within)
            return None if spec is None else (item, spec)

        if isinstance(node, Sequence) and len(node.items) > MAX_FILES:
            self.note(node, "include", f"{len(node.items)} files", f"at most {MAX_FILES}")
            return ()
        return self.listing(node, "include", read, "a list of files")

    def _include(self, node: Node, key: str, within: IncludeSpec) -> IncludeSpec | None:
        if isinstance(node, Scalar):  # a path alone is in the same project and commit as the file that says it
            path = self.read(node, key, "path")
            return None if path is None else IncludeSpec(path, within.project, within.ref)
        include = self.mapping(node, key, "include")
        if include is None:
            return None
        path = self.read(include.value("path"), join(key, "path"), "path")
        project = self.read(include.value("project"), join(key, "project"), "project")
        ref = self._ref(include.value("ref"), join(key, "ref"))
        return IncludeSpec(path, project, ref) if path and project and ref else None

    def _ref(self, node: Node | None, key: str) -> str | None:
        ref = self.read(node, key, "pinned_ref")
        if node is None or ref is None:
            return None
        if ref in _MOVING:
            self.note(node, key, f"{clip(ref)} moves", "a tag, or a full commit id")
            return None
        return ref if _COMMIT.fullmatch(ref) or ref.startswith("refs/tags/") else f"refs/tags/{ref}"
