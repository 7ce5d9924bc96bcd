"""What is wrong with a pipeline file, each problem at its line, column and key."""

from dataclasses import dataclass

from pipelines.errors import UserError

MAX_PROBLEMS = 50
_LINE_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` and `column` count from 1; `key_path` reads like `stages.test.needs[0]`.

    `path` names the file if it is not the one that was asked for: an included one, or one of a folder.
    """

    line: int
    column: int
    key_path: str
    message: str
    expected: str = ""
    source_line: str = ""
    path: str = ""

    def describe(self, path: str) -> str:
        """The problem as a person reads it in a log: place, key, what is wrong, what was expected, the line.

        `path` is the file that was asked for.
        """
        where = f"{self.path or path}:{self.line}:{self.column}"
        key = f"{self.key_path}: " if self.key_path else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        return "\n".join([f"{where}: {key}{self.message}{expected}", *self._excerpt()])

    def _excerpt(self) -> list[str]:
        if not self.source_line.strip():
            return []
        margin = " " * min(self.column - 1, len(self.source_line))
        return [f"    {self.source_line}", f"    {margin}^"]


class SpecError(UserError):
    """The pipeline file has to be mended; `problems` lists every mistake found, file by file, each in its order."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        ordered = sorted(dict.fromkeys(problems), key=lambda problem: (problem.path, problem.line, problem.column))
        self.problems: tuple[Problem, ...] = tuple(ordered[:MAX_PROBLEMS])
        left_out = len(ordered) - len(self.problems)
        lines = [problem.describe(path) for problem in self.problems]
        super().__init__("\n".join(lines + ([f"and {left_out} more"] if left_out else [])))


def excerpt(line: str) -> str:
    """A source line short enough to show, tabs as single spaces so that a caret below it stands right."""
    return line.replace("\t", " ")[:_LINE_WIDTH]
