"""One pipeline out of the files it stands in: what each gives to the others, and what may stand only once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from pipelines.spec import needs
from pipelines.spec.deployment import DeployReader
from pipelines.spec.errors import Problem
from pipelines.spec.fields import clip, join
from pipelines.spec.includes import Document
from pipelines.spec.model import ConcurrencySpec, DeploySpec, ParameterSpec, PipelineSpec, ScheduleSpec, StageSpec
from pipelines.spec.needs import Needs
from pipelines.spec.nodes import Mapping, Node
from pipelines.spec.schedules import ScheduleReader
from pipelines.spec.stages import MAX_STAGES, Defaults, ReadStage, StageReader

MAX_PLANNED = 500  # stages, every matrix taken apart
MAX_PATH_GLOBS = 300
MAX_CONDITIONS = 20_000  # characters
MAX_WEIGHT = 100_000  # values, likewise

Named = TypeVar("Named", ParameterSpec, ScheduleSpec)
_NOTHING = Defaults(None, {})


class FileReader(StageReader, ScheduleReader, DeployReader):
    """The sections together."""

    def defaults(self, top: Mapping) -> Defaults:
        """What the file says for all its stages."""
        image = top.value("image")
        text = self.read(image, "image", "image", filled=True)
        return Defaults("" if image is not None and text is None else text, self.env(top.value("env"), "env"))


@dataclass(slots=True)
class _File:
    """A document read for the stages with this prefix; `own` is what it says itself, `defaults` what its stages get."""

    document: Document
    top: Mapping
    prefix: str
    reader: FileReader
    children: list["_File"]
    own: Defaults = _NOTHING
    defaults: Defaults | None = None


class Assembly:
    """Reads the files of one pipeline, gathering problems in one list."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.files: dict[tuple[int, str], _File] = {}

    def pipeline(self, documents: list[Document]) -> PipelineSpec:
        """The files that were asked for; those they include are found through them."""
        roots = [file for document in documents if (file := self._file(document, document.prefix))]
        parameters = self._parameters()
        for file in self.files.values():
            file.reader.parameters = tuple(parameter.name for parameter in parameters)
            file.own = file.reader.defaults(file.top)
        whens = [root.reader.whens(root.top.value("when"), "when", "file_when") for root in roots]
        several = any(root.prefix for root in roots)
        for root, when in zip(roots, whens, strict=True):
            _give_defaults(root, replace(_NOTHING, file_when=when if several else ()))
        stages = self._stages()
        defaults = roots[0].defaults if roots and not several else None
        return PipelineSpec(
            image=defaults.image if defaults else None,
            env=defaults.env if defaults else {},
            stages=stages,
            deploy=self._deploy(roots, stages),
            when=() if several or not whens else whens[0],
            parameters=parameters,
            schedules=self._schedules(roots, parameters),
            concurrency=self._concurrency(roots),
        )

    def _file(self, document: Document, prefix: str) -> _File | None:
        """The file and, before it, what it includes: that is the order of their stages."""
        if document.top is None:
            return None
        key = (id(document), prefix)
        children = [file for child in document.children if (file := self._file(child, prefix))]
        if key not in self.files:
            reader = FileReader(document.source, self.problems)
            self.files[key] = _File(document, document.top, prefix, reader, children)
        return self.files[key]

    def _parameters(self) -> tuple[ParameterSpec, ...]:
        once = {id(file.document): file for file in self.files.values()}
        return self._once(list(once.values()), "parameters", FileReader.parameter_list)

    def _schedules(self, roots: list[_File], parameters: tuple[ParameterSpec, ...]) -> tuple[ScheduleSpec, ...]:
        def read(reader: FileReader, node: Node | None, key: str) -> tuple[ScheduleSpec, ...]:
            return reader.schedules(node, key, parameters)

        return self._once(roots, "schedule", read)

    def _once(
        self, files: list[_File], key: str, read: Callable[[FileReader, Node | None, str], tuple[Named, ...]]
    ) -> tuple[Named, ...]:
        """The entries of a section of several files; a name that stands in two is noted in the second."""
        found: dict[str, Named] = {}
        for file in files:
            node = file.top.value(key)
            for value in read(file.reader, node, key):
                if value.name in found and node is not None:
                    self._note_twice(file, node, join(key, value.name), value.name)
                found[value.name] = value
        return tuple(found.values())

    def _note_twice(self, file: _File, node: Node, key: str, name: str) -> None:
        file.reader.note(node, key, f"{clip(name)} stands in another file too", "each in one file")

    def _stages(self) -> tuple[StageSpec, ...]:
        sections = [(file, node) for file in self.files.values() if (node := file.reader.stage_mapping(file.top))]
        asked: dict[str, Needs] = {}
        for file, section in sections:
            own = needs.needs_of(file.reader, section, file.prefix)
            for name, _ in section.entries:
                if file.prefix + name.text in asked:
                    self._note_twice(file, name, join("stages", name.text), name.text)
            asked |= own
        needs.check(asked)
        found: list[ReadStage] = []
        for file, section in sections:
            read = file.reader.stages(section, asked, file.prefix, file.defaults or _NOTHING)
            found += read
            self._check_size(file, section, found)
        return tuple(stage.spec for stage in found)

    def _check_size(self, file: _File, section: Mapping, found: list[ReadStage]) -> None:
        planned = sum(max(1, len(stage.spec.matrix)) for stage in found)
        if len(found) > MAX_STAGES:
            file.reader.note(section, "stages", f"{len(found)} stages in all files", f"at most {MAX_STAGES}")
        elif planned > MAX_PLANNED:
            file.reader.note(section, "stages", f"{planned:,} stages, with every matrix", f"at most {MAX_PLANNED}")
        elif sum(stage.weight for stage in found) > MAX_WEIGHT:
            file.reader.note(section, "stages", "this is too much, with every matrix", f"at most {MAX_WEIGHT:,} values")
        whens = [when for stage in found for when in stage.spec.when]
        if sum(len(when.paths.include) + len(when.paths.exclude) for when in whens) > MAX_PATH_GLOBS:
            file.reader.note(section, "stages", "too many `paths` in `when`", f"at most {MAX_PATH_GLOBS} in all stages")
        if sum(len(when.condition) for when in whens) > MAX_CONDITIONS:
            file.reader.note(section, "stages", "too long conditions", f"at most {MAX_CONDITIONS:,} characters in all")

    def _deploy(self, roots: list[_File], stages: tuple[StageSpec, ...]) -> DeploySpec | None:
        root = self._only(roots, "deploy")
        return None if root is None else root.reader.deploy(root.top.value("deploy"), stages)

    def _concurrency(self, roots: list[_File]) -> ConcurrencySpec | None:
        root = self._only(roots, "concurrency")
        return None if root is None else root.reader.concurrency(root.top.value("concurrency"), "concurrency")

    def _only(self, roots: list[_File], key: str) -> _File | None:
        """The one file that has this section."""
        having = [root for root in roots if root.top.value(key) is not None]
        for root in having[1:]:
            self._note_twice(root, root.top.value(key) or root.top, key, key)
        return having[0] if having else None


def _give_defaults(file: _File, above: Defaults) -> None:
    """What a file says goes before what it includes, and that before what the file above it says."""
    if file.defaults is not None:
        return
    said = _said(file)
    file.defaults = _over(above, said)
    for child in file.children:
        _give_defaults(child, _over(above, file.own))


def _said(file: _File) -> Defaults:
    """What a file says, and for the rest what it includes says, the first of them first."""
    said = file.own
    for child in file.children:
        said = _over(_said(child), said)
    return said


def _over(below: Defaults, above: Defaults) -> Defaults:
    image = below.image if above.image is None else above.image
    return Defaults(image, {**below.env, **above.env}, below.file_when or above.file_when)
