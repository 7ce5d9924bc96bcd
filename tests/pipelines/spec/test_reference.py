"""The reference, the parser, the JSON Schema and the manual say the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import pipelines
from pipelines.spec import manual
from pipelines.spec.model import PipelineSpec
from pipelines.spec.nodes import Mapping, read_source, read_tree
from pipelines.spec.parser import SpecError, parse
from pipelines.spec.reference import CONTEXTS, KINDS, PLACES, TOLD, Key, Place, load
from pipelines.spec.schema import json_schema
from runners.containers.environ import Circumstances, variables

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PAGE = Path(pipelines.__file__).parents[1] / "docs" / "pipeline.md"

Case = tuple[Place, Key, str]
EXAMPLES: list[Case] = [
    (place, key, example)
    for place in PLACES.values()
    if not place.hidden
    for key in place.keys.values()
    for example in key.examples
]
DEFAULTS: list[Case] = [
    (place, key, key.default) for place in PLACES.values() for key in place.keys.values() if key.default is not None
]


def framed(place: Place, example: str) -> dict[str, Any]:
    """A whole file with the example in it, over what the frame has there; of keys that exclude each other, the last."""
    whole: dict[str, Any] = load(place.frame.replace("…", '"…": 1'))
    mapping = _marked(whole)
    del mapping["…"]
    added = load(example) if example else {}
    for names in (place.exactly_one, place.at_most_one):
        if set(names) & set(added):
            for name in names:
                mapping.pop(name, None)
    mapping.update(added)
    return whole


def _marked(value: Any) -> Any:
    """The mapping that the example belongs into."""
    if isinstance(value, dict) and "…" in value:
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for each in inner if (found := _marked(each)) is not None), None)


def read(file: dict[str, Any]) -> PipelineSpec:
    """JSON is YAML."""
    return parse(json.dumps(file, ensure_ascii=False), load=lambda _: b"stages: {included: {image: x, steps: [x]}}")


def told(case: Case) -> str:
    return f"{case[0].name}.{case[1].name}: {case[2].splitlines()[0]}"


@pytest.mark.parametrize("case", EXAMPLES, ids=told)
def test_every_example_is_taken_by_the_parser_and_by_the_schema(case: Case) -> None:
    place, _, example = case
    file = framed(place, example)
    assert read(file).stages
    assert not [error.message for error in VALIDATOR.iter_errors(file)]


@pytest.mark.parametrize("case", DEFAULTS, ids=told)
def test_every_default_is_what_the_parser_does_without_the_key(case: Case) -> None:
    place, key, default = case
    assert read(framed(place, f"{key.name}: {default}")) == read(framed(place, ""))


def test_the_whole_example_is_taken_by_the_parser_and_by_the_schema() -> None:
    assert parse(TOLD["whole"]).deploy
    assert VALIDATOR.is_valid(load(TOLD["whole"]))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_type_that_a_key_names_is_described() -> None:
    named = {
        name
        for place in PLACES.values()
        for key in place.keys.values()
        for name in (*key.type.single, *(item for item in key.type.items if isinstance(item, str)), *key.type.values)
    }
    assert named <= KINDS.keys() | PLACES.keys()
    names = {key.type.names for place in PLACES.values() for key in place.keys.values()} - {""}
    assert names <= KINDS.keys()
    assert KINDS.keys() - named - names <= {"matrix_value"}  # of the matrix's own names


def test_every_key_has_an_example_that_shows_it() -> None:
    missing = [
        f"{place.name}.{key.name}"
        for place in PLACES.values()
        for key in place.keys.values()
        if not any(key.name in load(example) for example in key.examples)
    ]
    assert missing == []


def test_the_manual_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == manual.page(), f"run: {manual.COMMAND}"


TEXTS = [case for case in EXAMPLES if isinstance(load(case[2]).get(case[1].name), str) and case[0].name != "include"]


@pytest.mark.parametrize("case", TEXTS, ids=told)
def test_where_the_reference_says_so_and_only_there_a_template_may_stand(case: Case) -> None:
    place, key, example = case
    file = framed(place, json.dumps(load(example) | {key.name: "${{ sha }}"}))
    try:
        is_parsed = bool(read(file))
    except SpecError as error:
        is_parsed = not {"`${{ … }}` is not filled in here"} & {problem.message for problem in error.problems}
        is_parsed = is_parsed and key.filled
    assert (is_parsed, VALIDATOR.is_valid(file)) == (key.filled, key.filled)


@pytest.mark.parametrize(
    "text",
    [
        "image: x\n",
        "stages: {}\nimag: x\n",
        "stages: {A: {steps: [x]}}\n",
        "stages: {a: {}}\n",
        "stages: {a: {steps: []}}\n",
        "stages: {a: {steps: [x], build: {}}}\n",
        "stages: {a: {steps: [x], timeout: 5}}\n",
        "stages: {a: {steps: [x], when: {event: pushed}}}\n",
        "stages: {a: {steps: [x], when: {branch: refs/heads/main}}}\n",
        "stages: {a: {steps: [x], retry: 99}}\n",
        "stages: {a: {steps: [x], artifacts: [../x]}}\n",
        "stages: {a: {steps: [x], matrix: {OS: [x]}}}\n",
        "stages: {a: {steps: [x], services: {db: {}}}}\n",
        "stages: {a: {steps: [x], services: {db: {image: x, ready: {command: x, port: 1}}}}}\n",
        "stages: {a: {steps: [{name: x}]}}\n",
        "stages: {a: {steps: ['${{ sha }}']}}\n",
        "stages: {a: {steps: [x], env: {SLIPWAY_X: x}}}\n",
    ],
)
def test_what_the_schema_refuses_the_parser_refuses_too(text: str) -> None:
    assert not VALIDATOR.is_valid(load(text))
    with pytest.raises(SpecError):
        parse("image: x\n" + text if not text.startswith("image") else text)


def test_the_schema_explains_every_key() -> None:
    def properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        return [pair for place in schema["$defs"].values() for pair in place["properties"].items()]

    assert not [name for name, told in properties(SCHEMA) if not told.get("description")]


def test_the_variables_are_those_that_a_stage_finds_set() -> None:
    about = Circumstances(
        "p", 1, "s", 1, "push", "refs/heads/main", "c0ffee", values={"name": ""}, parameters={"name": ""}
    )
    assert list(TOLD["variables"]) == list(variables(about))


def test_the_contexts_are_told_in_the_manual() -> None:
    page = manual.page()
    assert not [name for name in CONTEXTS if f"`{name}`" not in page]


def test_the_reference_itself_is_within_the_bounds_of_a_pipeline_file() -> None:
    root = read_tree(read_source(Path(pipelines.__file__).with_name("spec").joinpath("reference.yml").read_text(), "r"))
    assert isinstance(root, Mapping)
