"""The pipeline file, or a folder of them, to a PipelineSpec, or to all that is wrong with it."""

from collections.abc import Mapping as Files
from pathlib import PurePosixPath

from pipelines.spec.assembly import Assembly
from pipelines.spec.errors import Problem, SpecError
from pipelines.spec.includes import IncludeSpec, Library, Load
from pipelines.spec.model import PipelineSpec
from pipelines.spec.nodes import MAX_BYTES, Source, read_source
from pipelines.spec.reference import KEYS, KINDS

__all__ = ["KEYS", "IncludeSpec", "Load", "Problem", "SpecError", "parse", "parse_folder"]

MAX_FILES = 50


def parse(text: bytes | str, *, path: str = ".slipway.yml", load: Load | None = None) -> PipelineSpec:
    """The pipeline that a file describes; raises SpecError with every problem found, never anything else.

    `load` gets included files; without it an `include` is a problem. Takes well under a second for any input,
    `load` aside: the bounds are in `nodes`, `includes` and `assembly`.
    """
    problems: list[Problem] = []
    document = Library(load, problems).open(read_source(text, path), IncludeSpec(path))
    spec = Assembly(problems).pipeline([document])
    if problems:
        raise SpecError(path, problems)
    return spec


def parse_folder(files: Files[str, bytes], load: Load | None = None) -> PipelineSpec:
    """Several pipelines in one repository: `.slipway/web.yml` gives the stages `web/<stage>`, under its own `when`.

    A need may be a stage of the same file, or a full name. Raises SpecError as `parse`.
    """
    folder = str(PurePosixPath(next(iter(files), ".slipway/")).parent)
    problems: list[Problem] = []
    if not files or len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        message = f"the folder has {len(files)} files, {sum(map(len, files.values())):,} bytes"
        raise SpecError(folder, [Problem(1, 1, "", message, f"1 to {MAX_FILES} files, at most {MAX_BYTES:,} bytes")])
    library = Library(load, problems)
    documents = []
    for path, text in sorted(files.items()):
        try:
            source = read_source(text, path, inner=True)
            document = library.open(source, IncludeSpec(path))
        except SpecError as error:
            problems.extend(error.problems)
            continue
        document.prefix = _stem(source, problems) + "/"
        documents.append(document)
    spec = Assembly(problems).pipeline(documents)
    if problems:
        raise SpecError(folder, problems)
    return spec


def _stem(source: Source, problems: list[Problem]) -> str:
    stem, told = PurePosixPath(source.path).stem, KINDS["stage_name"]
    if not told.fits(stem):
        problems.append(source.problem(1, 1, "", f"{stem[:60]!r} does not fit as a file's name", told.means))
    return stem
