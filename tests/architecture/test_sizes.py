"""Small files and small functions; what is larger is named here, with its reason."""

import ast
import statistics

from tests.architecture.sources import Source, length, sources

FILE_LINES = 300
FUNCTION_LINES = 45
# Larger by nature, and how large at most.
LARGER_FILES = {
    "server/settings.py": 350,  # one file for all configuration
}
DRAWERS = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "manager", "service", "base", "lib"})
MARKS = ("TODO", "FIXME", "XXX", "HACK")


def test_a_file_is_read_in_one_sitting() -> None:
    sizes = {source.path: len(source.lines) for source in sources()}
    assert not [f"{path}: {size}" for path, size in sizes.items() if size > LARGER_FILES.get(path, FILE_LINES)]


def test_every_exception_is_still_there() -> None:
    assert LARGER_FILES.keys() <= {source.path for source in sources()}


def test_a_function_fits_on_a_screen() -> None:
    sizes = [(source.path, one.name, length(one)) for source in sources() for one in source.functions()]
    assert not [size for size in sizes if size[2] > FUNCTION_LINES]


def test_most_functions_are_a_handful_of_lines() -> None:
    lengths = sorted(length(function) for source in sources() for function in source.functions())
    assert statistics.median(lengths) <= 9
    assert lengths[len(lengths) * 9 // 10] <= 30


def test_a_module_says_in_one_line_what_it_is() -> None:
    assert not [source.path for source in sources() if not _introduces_itself(source)]


def test_no_drawer_holds_odds_and_ends() -> None:
    assert not [source.path for source in sources() if DRAWERS & set(source.path.removesuffix(".py").split("/"))]


def test_nothing_is_left_to_be_done() -> None:
    lines = [(f"{source.path}:{number}", line) for source in sources() for number, line in enumerate(source.lines, 1)]
    assert not [place for place, line in lines if any(mark in line for mark in MARKS)]


def test_every_function_says_what_it_takes_and_gives() -> None:
    functions = [(source.path, one) for source in sources() for one in source.functions()]
    untyped = [
        f"{path}:{one.lineno}"
        for path, one in functions
        if one.returns is None or any(arg.annotation is None for arg in one.args.args if arg.arg not in ("self", "cls"))
    ]
    assert not untyped


def _introduces_itself(source: Source) -> bool:
    if not source.lines:
        return source.path.endswith("__init__.py")
    docstring = ast.get_docstring(source.tree) or ""
    return docstring.partition("\n")[0].endswith((".", ":", "?", ","))
