"""Our own modules, parsed, for the tests that read them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pipelines", "runners", "server")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its path from the root of the repository, its lines and its syntax tree."""

    path: str
    lines: tuple[str, ...]
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every module under the folders, without migrations; of the three rooms when none is named."""
    found = [path for folder in folders or ROOMS for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(_source(path) for path in found if "migrations" not in path.parts)


def length(function: Function) -> int:
    """Lines from the signature to the end, without decorators and docstring."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def _source(path: Path) -> Source:
    text = path.read_text()
    return Source(str(path.relative_to(ROOT)), tuple(text.splitlines()), ast.parse(text))
