"""A status is written in one function of one module; everything else asks it."""

import ast
import textwrap
from collections.abc import Iterator

import pytest

from tests.architecture.sources import sources

WRITER = "pipelines/states/transitions.py"
WRITING_CALLS = frozenset({"update", "update_or_create", "bulk_update"})


def _writes(tree: ast.AST) -> Iterator[int]:
    """Lines that write a status past the machine: an assignment, a setattr, an update."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_is_status(part) for target in targets for part in ast.walk(target)):
                yield node.lineno
        elif isinstance(node, ast.Call) and _call_writes(node):
            yield node.lineno


def _is_status(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "status" and isinstance(node.ctx, ast.Store)


def _call_writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "setattr":
        return any(getattr(argument, "value", None) == "status" for argument in call.args)
    named = {node.arg for node in call.keywords}
    within = [node for part in (*call.args, *call.keywords) for node in ast.walk(part)]
    listed = {item for node in within if isinstance(node, ast.Dict | ast.List) for item in _texts(node)}
    return name in WRITING_CALLS and "status" in named | listed


def _texts(node: ast.Dict | ast.List) -> set[object]:
    """What a literal list holds, or the keys of a literal dict."""
    items = node.keys if isinstance(node, ast.Dict) else node.elts
    return {getattr(item, "value", None) for item in items}


def test_nobody_but_the_transition_writes_a_status() -> None:
    elsewhere = [
        f"{source.path}:{line}" for source in sources() if source.path != WRITER for line in _writes(source.tree)
    ]
    assert not elsewhere, f"only {WRITER} writes a status; it is written in {', '.join(elsewhere)}"


def test_nobody_overrides_save() -> None:
    overrides = [
        f"{source.path}:{function.lineno}"
        for source in sources()
        for function in source.functions()
        if function.name == "save" and source.path.startswith("pipelines/")
    ]
    assert not overrides, f"a verb in lifecycle says more than save(): {', '.join(overrides)}"


def test_nobody_locks_rows() -> None:
    locks = [
        f"{source.path}:{node.lineno}"
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr == "select_for_update"
    ]
    assert not locks, f"a compare-and-set or a constraint is the referee: {', '.join(locks)}"


@pytest.mark.parametrize(
    "code",
    [
        "run.status = 'failed'",
        "run.status, run.reason = 'failed', ''",
        "Run.objects.filter(pk=1).update(status='failed')",
        "Run.objects.filter(pk=1).update(**{'status': 'failed'})",
        "Run.objects.update_or_create(pk=1, defaults={'status': 'failed'})",
        "Run.objects.bulk_update(runs, ['status'])",
        "setattr(run, 'status', 'failed')",
    ],
)
def test_the_reader_of_sources_sees_every_way_to_write_a_status(code: str) -> None:
    assert list(_writes(ast.parse(textwrap.dedent(code)))) == [1]


@pytest.mark.parametrize("code", ["Run(status='queued')", "rows.filter(status='failed')", "status = run.status"])
def test_making_a_row_and_reading_a_status_are_no_writes(code: str) -> None:
    assert list(_writes(ast.parse(code))) == []
