"""The pipeline file: what it means, and that every mistake is shown where it stands."""

import pytest

from pipelines.errors import UserError
from pipelines.spec.model import (
    DeploySpec,
    Globs,
    HealthSpec,
    PipelineSpec,
    StageSpec,
    StepSpec,
    StrategySpec,
    When,
)
from pipelines.spec.parser import Problem, SpecError, parse

SHOP = """\
image: python:3.12
env: {PORT: 8000, RELEASE: 3.10}
stages:
  build:
    steps:
      - make
      - name: package
        run: make dist
    artifacts: [dist/]
  test:
    env: {PORT: 9000}
    secrets: [TOKEN]
    steps: [make test]
    timeout: 1h30m
    when: {branch: main, tag: [v*, w*], event: [push, tag]}
deploy:
  artifact: dist
  path: /srv/shop
  health: {url: "http://127.0.0.1:8000/healthz", timeout: 5s}
  strategy: {waves: [1, 25 %, rest], parallel: 2, max_failures: 1}
"""


def problems(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    return caught.value.problems


def problem(text: str | bytes) -> Problem:
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def stage(body: str) -> str:
    """A file with one stage `a` that has these lines."""
    return "image: x\nstages:\n  a:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def deploy(body: str) -> str:
    """A file with a deploy section that has these lines."""
    lines = "".join(f"  {line}\n" for line in body.splitlines())
    return stage("steps: [x]\nartifacts: [dist/]") + "deploy:\n" + lines


def test_a_whole_file_becomes_values() -> None:
    build = StageSpec(
        name="build",
        base="build",
        image="python:3.12",
        steps=(StepSpec("make", "make"), StepSpec("package", "make dist")),
        env={"PORT": "8000", "RELEASE": "3.10"},
        artifacts=("dist/",),
    )
    test = StageSpec(
        name="test",
        image="python:3.12",
        steps=(StepSpec("make test", "make test"),),
        needs=("build",),
        base="test",
        when=(When(("push", "tag"), Globs(("main",)), Globs(("v*", "w*"))),),
        env={"PORT": "9000", "RELEASE": "3.10"},
        secrets=("TOKEN",),
        timeout_seconds=5400,
    )
    shipped = DeploySpec(
        artifact="dist",
        path="/srv/shop",
        health=HealthSpec(url="http://127.0.0.1:8000/healthz", timeout_seconds=5),
        strategy=StrategySpec(waves=(1, "25%", "rest"), parallel=2, max_failures=1),
    )
    top = {"PORT": "8000", "RELEASE": "3.10"}
    assert parse(SHOP) == PipelineSpec("python:3.12", top, (build, test), shipped)


def test_a_bare_minimum_gets_the_defaults() -> None:
    only = parse(stage("steps: [echo]")).stages[0]
    assert (only.timeout_seconds, only.when, only.needs) == (3600, (), ())


def test_windows_line_ends_and_a_byte_order_mark_are_welcome() -> None:
    assert parse(b"\xef\xbb\xbf" + SHOP.replace("\n", "\r\n").encode()) == parse(SHOP)


def test_without_needs_a_stage_waits_for_the_one_before_it_whatever_others_say() -> None:
    text = (
        "image: x\nstages:\n  a: {steps: [x]}\n  b: {steps: [x], needs: []}\n"
        "  c: {steps: [x]}\n  d: {steps: [x], needs: [a]}\n  e: {steps: [x]}\n"
    )
    assert {stage.name: stage.needs for stage in parse(text).stages} == {
        "a": (),
        "b": (),
        "c": ("b",),
        "d": ("a",),
        "e": ("d",),
    }


def test_an_anchor_can_be_used_again() -> None:
    text = stage("steps: &steps [one, two]") + "  b: {steps: *steps}\n"
    assert parse(text).stage("b").steps == parse(text).stage("a").steps


def test_a_stage_by_a_name_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        parse(SHOP).stage("lint")


@pytest.mark.parametrize("waves", ["2", "[2]"])
def test_a_single_wave_is_a_list_of_one(waves: str) -> None:
    found = parse(deploy(f"artifact: dist\npath: /srv/a\nstrategy: {{waves: {waves}}}")).deploy
    assert found
    assert found.strategy.waves == (2,)


def test_values_go_to_json_and_back_unchanged() -> None:
    parsed = parse(SHOP)
    assert PipelineSpec.from_json(parsed.to_json()) == parsed
    assert parsed.deploy
    assert DeploySpec.from_json(parsed.deploy.to_json()) == parsed.deploy
    for each in parsed.stages:
        assert StageSpec.from_json(each.to_json()) == each


def test_json_of_an_older_shape_reads_with_defaults() -> None:
    old = {"name": "a", "image": "x", "steps": [{"name": "n", "run": "r"}]}
    assert StageSpec.from_json(old) == StageSpec("a", "x", (StepSpec("n", "r"),))


def test_an_unknown_key_is_shown_with_place_line_and_the_spelling_that_was_meant() -> None:
    with pytest.raises(UserError) as caught:
        parse(stage("steps: [x]\nneed: [a]"), path="ci.yml")
    assert str(caught.value) == (
        "ci.yml:5:5: stages.a.need: unknown key; did you mean `needs`?; expected one of image, steps, needs,"
        " when, matrix, env, secrets, services, cache, artifacts, reports, timeout, idle_timeout, retry, allow_failure,"
        " concurrency, approval, labels, resources, privileged, build\n        need: [a]\n        ^"
    )


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    found = problems("imag: x\nstages:\n  a: {steps: [], timeout: 5}\n  B: {steps: [x], image: -v}\n")
    assert [(each.line, each.column, each.key_path) for each in found] == [
        (1, 1, "imag"),
        (3, 3, "stages.a.image"),
        (3, 14, "stages.a.steps"),
        (3, 27, "stages.a.timeout"),
        (4, 3, "stages.B"),
        (4, 26, "stages.B.image"),
    ]


def test_a_thousand_problems_are_cut_and_counted() -> None:
    text = "".join(f"key{number}: 1\n" for number in range(1000)) + stage("steps: [x]")
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert len(caught.value.problems) == 50
    assert str(caught.value).endswith("and 950 more")


@pytest.mark.parametrize(
    ("text", "line", "column", "key", "words"),
    [
        ("", 1, 1, "", "empty"),
        ("# nothing\n", 1, 1, "", "empty"),
        ("- a\n", 1, 1, "", "a list"),
        ("image: x\n", 1, 1, "stages", "missing"),
        ("image: x\nstages: {}\n", 2, 9, "stages", "empty"),
        ("image: x\nstages: [a]\n", 2, 9, "stages", "a list"),
        ("image: 3.12\nstages: {a: {steps: [x]}}\n", 1, 8, "image", "quote it"),
        ("image: x y\nstages: {a: {steps: [x]}}\n", 1, 8, "image", "does not fit"),
        ("image: x\nimage: y\nstages: {a: {steps: [x]}}\n", 2, 1, "", "first in line 1"),
        ("image: x\nstages:\n\ta: 1\n", 3, 1, "", "tab"),
        ("image: [x\n", 2, 1, "", "not valid YAML"),
        ("image: x\n--- \nstages: {}\n", 3, 1, "", "second document"),
        ("%YAML 1.1\n---\nimage: x\n", 1, 1, "", "directives"),
        ("image: !!python/object:os.system x\n", 1, 8, "", "tags"),
        ("<<: {image: x}\n", 1, 1, "", "merge keys"),
        ("? [a]\n: x\n", 1, 3, "", "not a word"),
        ("image: *a\n", 1, 8, "", "no value named &a"),
        ("image: &a [*a]\n", 1, 12, "", "no value named &a"),
        (stage("steps: [x]\nvolumes: [/x]"), 5, 5, "stages.a.volumes", "unknown key"),
        (stage("steps: make"), 4, 12, "stages.a.steps", "this is text"),
        (stage("steps:"), 4, 5, "stages.a.steps", "nothing"),
        (stage("steps: [true]"), 4, 13, "stages.a.steps[0]", "a boolean"),
        (stage("steps: ['']"), 4, 13, "stages.a.steps[0]", "empty"),
        (stage("steps: [{name: x}]"), 4, 13, "stages.a.steps[0].run", "missing"),
        (stage("steps: [x]\nneeds: a"), 5, 12, "stages.a.needs", "this is text"),
        (stage("steps: [x]\nneeds: [a]"), 5, 13, "stages.a.needs", "needs itself"),
        (stage("steps: [x]\nneeds: [b]"), 5, 13, "stages.a.needs[0]", "no stage is called 'b'"),
        (stage("steps: [x]\ntimeout: 90"), 5, 14, "stages.a.timeout", "90s"),
        (stage("steps: [x]\ntimeout: 25h"), 5, 14, "stages.a.timeout", "at most 24h"),
        (stage("steps: [x]\ntimeout: 0s"), 5, 14, "stages.a.timeout", "does not fit"),
        (stage("steps: [x]\nenv: {1A: x}"), 5, 11, "stages.a.env.1A", "variable's name"),
        (stage("steps: [x]\nenv: {SLIPWAY_RUN: x}"), 5, 11, "stages.a.env.SLIPWAY_RUN", "variable's name"),
        (stage("steps: [x]\nenv: {A: }"), 5, 11, "stages.a.env.A", "nothing"),
        (stage("steps: [x]\nenv: {A: [x]}"), 5, 14, "stages.a.env.A", "a list"),
        (stage("steps: [x]\nenv: {A: x}\nsecrets: [A]"), 6, 15, "stages.a.secrets[0]", "in `env` too"),
        (stage("steps: [x]\nsecrets: [A, A]"), 5, 18, "stages.a.secrets[1]", "twice"),
        (stage("steps: [x]\nartifacts: [/etc]"), 5, 17, "stages.a.artifacts[0]", "does not fit"),
        (stage("steps: [x]\nartifacts: [a/../../b]"), 5, 17, "stages.a.artifacts[0]", "does not fit"),
        (stage("steps: [x]\nartifacts: ['*.whl']"), 5, 17, "stages.a.artifacts[0]", "without *"),
        (stage("steps: [x]\nwhen: {event: pushed}"), 5, 19, "stages.a.when.event", "did you mean `push`"),
        (stage("steps: [x]\nwhen: {branch: refs/heads/main}"), 5, 20, "stages.a.when.branch", "refs/"),
        (stage("steps: [x]\nwhen: {tag: 1.0}"), 5, 17, "stages.a.when.tag", "quote it"),
        (stage("steps: [x]\nwhen: {tag: []}"), 5, 17, "stages.a.when.tag", "empty"),
        (deploy("path: /srv/a"), 7, 3, "deploy", "either `artifact` or `image` or `commands`"),
        (deploy("artifact: out\npath: /srv/a"), 7, 13, "deploy.artifact", "no stage keeps 'out'"),
        (deploy("artifact: dist\npath: srv"), 8, 9, "deploy.path", "absolute"),
        (deploy("artifact: dist\npath: /srv/../etc"), 8, 9, "deploy.path", "absolute"),
        (deploy("artifact: dist\npath: /"), 8, 9, "deploy.path", "absolute"),
        (deploy("artifact: dist\npath: /a\nhealth: {}"), 9, 11, "deploy.health", "either"),
        (deploy("artifact: dist\npath: /a\nhealth: {url: file:///x}"), 9, 17, "deploy.health.url", "a URL"),
        (deploy("artifact: dist\npath: /a\nstrategy: {waves: 0}"), 9, 21, "deploy.strategy.waves", "rest"),
        (
            deploy("artifact: dist\npath: /a\nstrategy: {waves: [rest, 1]}"),
            9,
            22,
            "deploy.strategy.waves[0]",
            "rest last",
        ),
        (
            deploy("artifact: dist\npath: /a\nstrategy: {max_failures: -1}"),
            9,
            28,
            "deploy.strategy.max_failures",
            "a number of hosts such as 2",
        ),
    ],
)
def test_a_mistake_is_shown_at_its_line_column_and_key(text: str, line: int, column: int, key: str, words: str) -> None:
    found = problem(text)
    assert (found.line, found.column, found.key_path) == (line, column, key)
    assert words in found.describe("f")


def test_a_cycle_is_named_with_the_line_of_a_need_in_it() -> None:
    text = "image: x\nstages:\n  a:\n    steps: [x]\n    needs: [c]\n  b: {steps: [x]}\n  c: {steps: [x]}\n"
    found = problem(text)
    assert (found.line, found.column) == (5, 13)
    assert "a -> c -> b -> a" in found.message


def test_the_offending_source_line_is_in_the_message_and_cut_when_long() -> None:
    found = problem(stage(f"steps: [x]\ntimeout: {'9' * 5000}"))
    assert found.source_line.startswith("    timeout: 999")
    assert len(str(found)) < 1000
