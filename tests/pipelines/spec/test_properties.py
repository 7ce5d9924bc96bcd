"""What holds for every graph, glob, condition, matrix and file, whatever it is."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.spec import graph
from pipelines.spec.conditions import Circumstances, applies, refusal
from pipelines.spec.expressions import ExpressionError, read
from pipelines.spec.globs import matches, matches_path
from pipelines.spec.model import Globs, PipelineSpec, StageSpec, When
from pipelines.spec.parser import Problem, SpecError, parse
from pipelines.spec.planning import planned
from pipelines.spec.reference import KEYS
from pipelines.spec.templates import TemplateError, fill, names

patient = settings(deadline=None)  # the machine may be busy
NAMES = st.text("ab/.*?", max_size=8)
WORDS = st.sampled_from(["a", "b", "c", ""])


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Any graph, with rings or without."""
    stages = [f"s{n}" for n in range(draw(st.integers(1, 8)))]
    return {stage: draw(st.lists(st.sampled_from(stages), unique=True, max_size=4)) for stage in stages}


@st.composite
def lines(draw: st.DrawFn) -> list[StageSpec]:
    """Stages without a ring: each needs only earlier ones."""
    count = draw(st.integers(1, 8))
    return [
        StageSpec(
            f"s{n}",
            "x",
            (),
            tuple(draw(st.lists(st.sampled_from([f"s{m}" for m in range(n)]), unique=True))) if n else (),
        )
        for n in range(count)
    ]


@patient
@given(graphs())
def test_a_ring_is_one_and_without_one_every_stage_has_its_turn(needs: dict[str, list[str]]) -> None:
    cycle = graph.find_cycle(needs)
    if cycle is not None:
        ring = zip(cycle.names, (*cycle.names[1:], cycle.names[0]), strict=True)
        assert all(needed in needs[stage] for stage, needed in ring)
        return
    ordered = graph.order([StageSpec(name, "x", (), tuple(needed)) for name, needed in needs.items()])
    places = {stage.name: place for place, stage in enumerate(ordered)}
    assert all(places[needed] < places[stage.name] for stage in ordered for needed in stage.needs)


@patient
@given(lines(), st.sets(st.integers(0, 7)))
def test_leaving_stages_out_keeps_who_comes_after_whom(stages: list[StageSpec], left_out: set[int]) -> None:
    kept = {stage.name for place, stage in enumerate(stages) if place not in left_out}
    selected = graph.select(stages, kept)
    before = _before(stages)
    after = _before(list(selected))
    assert {name: waits & kept for name, waits in before.items() if name in kept} == after


def _before(stages: list[StageSpec]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for stage in graph.order(stages):
        found[stage.name] = set(stage.needs).union(*(found[need] for need in stage.needs))
    return found


def _regex(glob: str, folders: bool) -> str:
    text = re.escape(glob)
    text = re.sub(r"(?:\\\*){2,}", "\0", text)
    if folders:
        text = re.sub(r"(^|(?<=/))\0/", "(?:\1)?", text)
    return text.replace("\\*", "[^/]*").replace("\\?", "[^/]").replace("\1", "(?:.*/)").replace("\0", ".*")


@patient
@given(NAMES, NAMES)
def test_a_glob_is_what_its_regular_expression_is(glob: str, name: str) -> None:
    assert matches(glob, name) is bool(re.fullmatch(_regex(glob, False), name))
    path_glob = glob + "**" if glob.endswith("/") else glob
    assert matches_path(glob, name) is bool(re.fullmatch(_regex(path_glob, True), name))


@patient
@given(st.text(max_size=30))
def test_a_name_without_wildcards_matches_itself_alone(name: str) -> None:
    plain = name.replace("*", "").replace("?", "")
    assert matches(plain, plain)
    assert not matches(plain, plain + "x")


WHENS = st.builds(
    When,
    events=st.lists(st.sampled_from(["push", "tag", "manual"]), max_size=2).map(tuple),
    branches=st.builds(Globs, st.lists(st.sampled_from(["main", "*", "x/*"]), max_size=2).map(tuple)),
    paths=st.builds(Globs, st.lists(st.sampled_from(["a", "b/**"]), max_size=2).map(tuple)),
    condition=st.sampled_from(["", "branch == 'main'", "not tag", "false"]),
)
HAPPENED = st.builds(
    Circumstances,
    event=st.sampled_from(["push", "tag", "manual", "pull_request"]),
    ref=st.sampled_from(["refs/heads/main", "refs/heads/x/y", "refs/tags/v1", "refs/pull/1/head"]),
    paths=st.none() | st.lists(st.sampled_from(["a", "b/c", "d"])).map(tuple),
)


@patient
@given(st.lists(WHENS, max_size=3).map(tuple), HAPPENED)
def test_several_agree_if_one_does_and_a_reason_is_given_exactly_if_none_does(
    whens: tuple[When, ...], happened: Circumstances
) -> None:
    agreed = [applies((when,), happened) for when in whens]
    assert applies(whens, happened) is (any(agreed) or not whens)
    assert bool(refusal(whens, happened, {})) is not applies(whens, happened)


@patient
@given(WHENS, HAPPENED)
def test_asking_less_never_leaves_a_stage_out(when: When, happened: Circumstances) -> None:
    if applies((when,), happened):
        assert applies((When(when.events, when.branches),), happened)
        assert applies((When(paths=when.paths, condition=when.condition),), happened)


@st.composite
def written(draw: st.DrawFn, depth: int = 0) -> tuple[str, bool]:
    """A condition with what it is worth where a, b and c are texts of their own name."""
    kind = draw(st.sampled_from(["is", "in", "not", "and", "or", "group"])) if depth < 4 else "is"
    if kind == "is":
        left, right = draw(WORDS), draw(WORDS)
        return f"{left or 'nothing'} == '{right}'", left == right
    if kind == "in":
        left, items = draw(WORDS), draw(st.lists(WORDS, min_size=1, max_size=3))
        return f"{left or 'nothing'} in [{', '.join(repr(item) for item in items)}]", left in items
    one, is_one = draw(written(depth + 1))
    if kind == "not":
        return f"not ({one})", not is_one
    if kind == "group":
        return f"({one})", is_one
    two, is_two = draw(written(depth + 1))
    return f"({one}) {kind} ({two})", (is_one and is_two) if kind == "and" else (is_one or is_two)


@patient
@given(written())
def test_a_condition_is_worth_what_its_parts_say(condition: tuple[str, bool]) -> None:
    text, expected = condition
    assert read(text).holds({"a": "a", "b": "b", "c": "c"}) is expected


@patient
@given(st.text("abc ='\"()[],!&|.<>0-", max_size=40))
def test_any_text_is_a_condition_or_a_mistake_inside_it(text: str) -> None:
    offset = 0
    try:
        read(text).holds({})
    except ExpressionError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


@patient
@given(st.text("ab${ }.", max_size=30))
def test_a_text_without_templates_is_left_as_it_is(text: str) -> None:
    broken_at = None
    try:
        found = names(text)
    except TemplateError as error:
        broken_at = error.offset
    if broken_at is not None:
        assert text[broken_at:].startswith("${{")
    elif not found:
        assert fill(text, {}) == text


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, list[str]]:
    axes = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True, min_size=1))
    return {axis: draw(st.lists(st.sampled_from(["1", "2", "x y", "3.10"]), unique=True, min_size=1)) for axis in axes}


@patient
@given(matrices(), st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"]), min_size=1))
def test_a_matrix_is_all_its_combinations_but_those_left_out_or_a_mistake(
    axes: dict[str, list[str]], out: dict[str, str]
) -> None:
    stage = {"image": "x", "steps": ["x"], "matrix": {**axes, "exclude": [out]}}
    count = 1
    for values in axes.values():
        count *= len(values)
    gone = 1
    for axis, values in axes.items():
        gone *= (1 if out[axis] in values else 0) if axis in out else len(values)
    gone = gone if out.keys() <= axes.keys() else 0
    try:
        stages = planned(parse(json.dumps({"stages": {"s": stage}})), Circumstances("push", "refs/heads/main"))
    except SpecError:
        assert gone in (0, count)
        return
    assert len({each.spec.name for each in stages}) == len(stages) == count - gone


ATOMS = st.sampled_from(["x", "main", "${{ branch }}", "20m", "true", "1", "*", "a/b", "", "if", "${{"]) | st.integers(
    0, 9
)
KEYWORDS = st.sampled_from(sorted({key for keys in KEYS.values() for key in keys} | {"a", "b", "A"}))
VALUES = st.recursive(
    ATOMS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYWORDS, VALUES, max_size=5), st.dictionaries(KEYWORDS, VALUES, max_size=6))
def test_any_file_is_a_pipeline_or_a_list_of_problems(top: dict[str, object], stage: dict[str, object]) -> None:
    text = json.dumps({"image": "x", "stages": {"a": {"steps": ["x"], **stage}}, **top})
    spec, problems = _parsed(text)
    assert (spec is None) is bool(problems)
    assert all(problem.line == 1 and problem.column >= 1 for problem in problems)
    assert spec is None or type(spec).from_json(spec.to_json()) == spec


@patient
@given(st.text(max_size=60))
def test_any_text_is_a_pipeline_or_a_list_of_problems(text: str) -> None:
    spec, problems = _parsed(text)
    assert (spec is None) is bool(problems)


def _parsed(text: str) -> tuple[PipelineSpec | None, tuple[Problem, ...]]:
    try:
        return parse(text), ()
    except SpecError as error:
        return None, error.problems
