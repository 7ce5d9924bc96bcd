"""Checks the pipeline file of a working tree, with the server's own reader."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines.errors import UserError
from pipelines.spec.errors import Problem, SpecError
from pipelines.spec.includes import IncludeSpec
from pipelines.spec.model import PipelineSpec
from pipelines.spec.parser import parse, parse_folder
from server.cli.client.terminal import console, put
from server.cli.worktree import Worktree


@dataclass(frozen=True, slots=True)
class Found:
    """Either the pipeline or what is wrong with it, in the file or folder at `path`."""

    path: str
    spec: PipelineSpec | None
    error: SpecError | None


def check(tree: Worktree, path: str) -> Found:
    """Read a file, or each file of a folder, of the working tree."""
    try:
        return Found(path, _read(tree, path), None)
    except SpecError as error:
        return Found(path, None, error)


def tell(found: Found, *, as_json: bool) -> None:
    """On standard output, for people or for programs."""
    if as_json:
        put(document(found))
    else:
        show(found, console())


def document(found: Found) -> dict[str, Any]:
    """The machine form, as the server's own."""
    problems = [
        {
            "file": each.path or found.path,
            "line": each.line,
            "column": each.column,
            "key": each.key_path,
            "message": each.message,
        }
        for each in (found.error.problems if found.error else ())
    ]
    return {"is_valid": found.error is None, "problems": problems}


def show(found: Found, console: Console) -> None:
    """The problems one under the other, each with its line, or how many stages there are."""
    if found.error is None:
        stages = len(found.spec.stages) if found.spec else 0
        console.print(f"{found.path} is fine: {stages} stage{'' if stages == 1 else 's'}", style="green", markup=False)
        return
    for problem in found.error.problems:
        console.print(_told(problem, found.path))
    count = len(found.error.problems)
    console.print(f"{found.path} has {count} mistake{'' if count == 1 else 's'}", style="red", markup=False)


def _read(tree: Worktree, path: str) -> PipelineSpec:
    place = tree.root / path
    if place.is_dir():
        files = sorted(each for each in place.iterdir() if each.suffix in (".yml", ".yaml"))
        return parse_folder({f"{path}/{each.name}": each.read_bytes() for each in files}, load=_loader(tree))
    if not place.is_file():
        raise SpecError(path, [Problem(1, 1, "", "there is no such file", "a pipeline file")])
    return parse(place.read_bytes(), path=path, load=_loader(tree))


def _loader(tree: Worktree) -> Callable[[IncludeSpec], bytes]:
    """What is included from the same tree; a UserError becomes a problem at the include's line."""

    def load(include: IncludeSpec) -> bytes:
        if include.project:
            raise UserError(f"{include.project} is known to its server only: check this file there")
        place = (tree.root / include.path).resolve()
        if not place.is_relative_to(tree.root) or not place.is_file():
            raise UserError(f"{include.path} is not in the working tree")
        return place.read_bytes()

    return load


def _told(problem: Problem, path: str) -> Text:
    first, *rest = problem.describe(problem.path or path).split("\n")
    told = Text(first, style="bold")
    for line in rest:
        told.append("\n" + line, style="red" if line.strip() == "^" else "dim")
    return told
