"""The stages as a graph."""

from pipelines.spec import graph
from pipelines.spec.model import StageSpec


def stages(**needs: list[str]) -> list[StageSpec]:
    return [StageSpec(name, "x", (), tuple(needed)) for name, needed in needs.items()]


def test_a_graph_without_a_ring_has_no_cycle() -> None:
    assert graph.find_cycle({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c", "gone"]}) is None


def test_a_cycle_is_named_without_the_stages_that_only_hang_on_it() -> None:
    cycle = graph.find_cycle({"after": ["a"], "a": ["b"], "b": ["c"], "c": ["a"], "free": []})
    assert str(cycle) == "a -> b -> c -> a"


def test_a_stage_that_needs_itself_is_a_ring_of_one() -> None:
    assert str(graph.find_cycle({"a": ["a"]})) == "a -> a"


def test_stages_stand_after_what_they_need_else_in_the_order_of_the_file() -> None:
    found = graph.order(stages(z=["a"], b=[], a=["b"], c=[]))
    assert [stage.name for stage in found] == ["b", "a", "z", "c"]


def test_a_left_out_stage_passes_its_needs_on() -> None:
    found = graph.select(stages(build=[], docs=["build"], test=["docs"], ship=["test", "docs"]), {"build", "ship"})
    assert {stage.name: stage.needs for stage in found} == {"build": (), "ship": ("build",)}


def test_a_thousand_stages_in_a_row_need_no_recursion() -> None:
    needs = {f"s{n}": [f"s{n + 1}"] for n in range(5_000)} | {"s5000": []}
    assert graph.find_cycle(needs) is None
