"""From a pipeline and what happened to the stages of a run."""

import pytest

from pipelines.errors import UserError
from pipelines.spec.conditions import Circumstances
from pipelines.spec.model import StageSpec
from pipelines.spec.parser import parse
from pipelines.spec.planning import PlannedStage, concurrency, planned

MAIN = Circumstances("push", "refs/heads/main", sha="c0ffee")

MATRIX = """\
image: debian
stages:
  build: {steps: [make]}
  test:
    matrix: {python: ["3.11", "3.12"], db: [pg, mysql], exclude: [{python: "3.11", db: mysql}]}
    image: python:${{ matrix.python }}
    steps: [make test]
  ship: {needs: [test], steps: [make ship]}
"""


def plan(text: str, circumstances: Circumstances = MAIN) -> dict[str, PlannedStage]:
    return {stage.spec.name: stage for stage in planned(parse(text), circumstances)}


def filled(body: str, circumstances: Circumstances = MAIN) -> StageSpec:
    return planned(parse("image: x\nstages:\n  a:\n    steps: [x]\n" + body), circumstances)[0].spec


def test_a_matrix_is_one_stage_for_each_combination() -> None:
    found = plan(MATRIX)
    assert list(found) == ["build", "test (3.11, pg)", "test (3.12, pg)", "test (3.12, mysql)", "ship"]
    one = found["test (3.12, mysql)"].spec
    assert (one.base, one.image, one.needs) == ("test", "python:3.12", ("build",))
    assert (dict(one.values), one.matrix) == ({"python": "3.12", "db": "mysql"}, ())


def test_who_needs_a_matrix_needs_all_of_it() -> None:
    assert plan(MATRIX)["ship"].spec.needs == ("test (3.11, pg)", "test (3.12, pg)", "test (3.12, mysql)")


def test_a_part_of_a_matrix_can_be_left_out_by_a_condition() -> None:
    text = MATRIX.replace("    steps: [make test]", "    when: {if: matrix.db == 'pg' or tag}\n    steps: [make test]")
    found = plan(text)
    assert found["test (3.12, mysql)"].skipped == "its `when` does not match: its `if` does not hold"
    assert found["ship"].spec.needs == ("test (3.11, pg)", "test (3.12, pg)", "build")


def test_a_skipped_stage_passes_its_needs_on_and_says_why() -> None:
    text = (
        "image: x\nstages:\n  a: {steps: [x]}\n"
        "  b: {steps: [x], when: {event: tag}, image: 'x:${{ tag }}'}\n  c: {steps: [x]}\n"
    )
    found = plan(text)
    assert found["b"].skipped == "its `when` does not match: the event is push"
    assert found["b"].spec.image == "x:${{ tag }}"
    assert found["c"].spec.needs == ("a",)


def test_the_files_own_when_skips_everything() -> None:
    found = plan("when: {event: tag}\n" + MATRIX)
    assert {stage.skipped for stage in found.values()} == {"the file's `when` does not match: the event is push"}


def test_the_status_is_that_of_all_parts_of_when_that_agree() -> None:
    whens = "when: [{event: push, status: failed}, {branch: main}, {event: tag, status: always}]"
    assert filled(f"    {whens}\n").status == ("succeeded", "failed")
    assert filled(f"    {whens}\n", Circumstances("push", "refs/heads/x")).status == ("failed",)
    assert filled("").status == ("succeeded",)
    assert filled("    when: {status: always}\n").status == ("succeeded", "failed")


def test_what_is_filled_in_stays_one_value() -> None:
    odd = Circumstances("push", "refs/heads/a$(id);${{ sha }}\"'{", sha="c0ffee")
    one = filled("    env: {B: '${{ branch }}', C: '<${{ sha }}>'}\n", odd)
    assert one.env == {"B": "a$(id);${{ sha }}\"'{", "C": "<c0ffee>"}


def test_everything_that_may_hold_a_template_is_filled_in() -> None:
    text = """\
image: "i:${{ branch }}"
env: {TOP: "${{ event }}"}
stages:
  a:
    steps: [{run: x, env: {S: "${{ ref }}"}}]
    services: {db: {image: "db:${{ branch }}", env: {D: "${{ sha }}"}}}
    cache: {name: "c ${{ branch }}", paths: ["p/${{ branch }}"], fallback: ["f ${{ branch }}"]}
    artifacts: ["d/${{ branch }}"]
    reports: {junit: "j/${{ branch }}", coverage: "v/${{ branch }}"}
    concurrency: "g ${{ branch }}"
    labels: ["l-${{ branch }}"]
  b:
    build:
      context: "c/${{ branch }}"
      file: "f/${{ branch }}"
      args: {A: "${{ branch }}"}
      target: "t-${{ branch }}"
      tags: ["r/s:${{ branch }}"]
"""
    stages = [stage.spec.to_json() for stage in plan(text).values()]
    assert "${{" not in str(stages)
    assert str(stages).count("main") == 16


@pytest.mark.parametrize(
    ("body", "branch", "said"),
    [
        ("    image: x:${{ branch }}\n", "a b", "stage a: image: 'x:a b' does not fit; expected an image name"),
        ("    artifacts: ['${{ branch }}']\n", "../x", "stage a: artifacts: '../x' does not fit; expected a path"),
        ("    labels: ['${{ branch }}']\n", "", "stage a: labels: '' does not fit; expected a label"),
        ("    services: {db: '${{ branch }}'}\n", "-v", "stage a: services.db.image: '-v' does not fit"),
    ],
)
def test_what_does_not_fit_once_it_is_filled_in_is_named(body: str, branch: str, said: str) -> None:
    with pytest.raises(UserError, match="does not fit") as caught:
        filled(body, Circumstances("push", f"refs/heads/{branch}"))
    assert str(caught.value).startswith(said)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    text = "image: x\nstages:\n" + "".join(f"  {n}: {{steps: [x], labels: ['${{{{ tag }}}}']}}\n" for n in "abc")
    with pytest.raises(UserError) as caught:
        plan(text)
    assert len(str(caught.value).splitlines()) == 3


def test_a_parameter_is_what_was_given_or_its_default() -> None:
    text = "parameters: {colour: blue, size: {}}\n"
    body = "image: x\nstages: {a: {steps: [x], env: {C: '${{ parameters.colour }}-${{ parameters.size }}'}}}\n"
    assert planned(parse(text + body), MAIN)[0].spec.env["C"] == "blue-"
    given = Circumstances("manual", "refs/heads/main", parameters={"colour": "green"})
    assert planned(parse(text + body), given)[0].spec.env["C"] == "green-"


def test_the_group_of_a_run_is_filled_in() -> None:
    spec = parse("image: x\nconcurrency: {group: '${{ ref }}', cancel: running}\nstages: {a: {steps: [x]}}\n")
    found = concurrency(spec, MAIN)
    assert found is not None
    assert (found.group, found.limit, found.cancel) == ("refs/heads/main", 1, "running")
    assert concurrency(parse(MATRIX), MAIN) is None


def test_a_planned_stage_goes_to_json_and_back() -> None:
    for stage in plan(MATRIX).values():
        assert StageSpec.from_json(stage.spec.to_json()) == stage.spec
