"""Pipelines that stand in several files: included ones, and a folder of them."""

import pytest

from pipelines.errors import UserError
from pipelines.spec.conditions import Circumstances
from pipelines.spec.parser import IncludeSpec, Load, SpecError, parse, parse_folder
from pipelines.spec.planning import planned

MAIN = "image: main\nenv: {A: main, B: main}\nstages:\n  own: {steps: [x], needs: [check]}\n"


def shelf(**files: str) -> Load:
    """Files by their name without .yml."""

    def load(spec: IncludeSpec) -> bytes:
        try:
            return files[str(spec).removesuffix(".yml")].encode()
        except KeyError as error:
            raise UserError(f"{spec} is not there") from error

    return load


def faults(text: str, load: Load | None) -> list[tuple[str, int, str]]:
    with pytest.raises(SpecError) as caught:
        parse(text, load=load)
    return [(problem.path, problem.line, problem.message) for problem in caught.value.problems]


def test_included_stages_come_first_and_can_be_needed() -> None:
    spec = parse("include: [ci.yml]\n" + MAIN, load=shelf(ci="stages: {check: {steps: [x]}, deep: {steps: [x]}}\n"))
    assert [(stage.name, stage.needs) for stage in spec.stages] == [
        ("check", ()),
        ("deep", ("check",)),
        ("own", ("check",)),
    ]


def test_an_included_stage_has_what_its_file_says_then_what_the_file_above_says() -> None:
    load = shelf(ci="env: {B: ci, C: ci}\nstages: {check: {steps: [x], env: {D: own}}}\n")
    spec = parse("include: [ci.yml]\n" + MAIN, load=load)
    assert (spec.stage("check").image, spec.stage("check").env) == (
        "main",
        {"A": "main", "B": "ci", "C": "ci", "D": "own"},
    )
    assert spec.stage("own").env == {"A": "main", "B": "main", "C": "ci"}


def test_what_the_file_does_not_say_it_takes_from_what_it_includes() -> None:
    load = shelf(ci="include: [base.yml]\nstages: {check: {steps: [x]}}\n", base="image: base\n")
    spec = parse("include: [ci.yml]\nstages: {own: {steps: [x]}}\n", load=load)
    assert {stage.image for stage in spec.stages} == {"base"}


def test_a_file_that_is_included_twice_is_there_once() -> None:
    load = shelf(a="include: [base.yml]\n", b="include: [base.yml]\n", base="stages: {check: {steps: [x]}}\n")
    assert [stage.name for stage in parse("include: [a.yml, b.yml]\n" + MAIN, load=load).stages] == ["check", "own"]


def test_a_file_of_another_project_is_asked_for_at_a_ref_that_does_not_move() -> None:
    asked = []

    def load(spec: IncludeSpec) -> bytes:
        asked.append(spec)
        return b"include: [inner.yml]\n" if spec.path == "ci.yml" else b"stages: {check: {steps: [x]}}\n"

    parse("include: [{project: platform, ref: v1, path: ci.yml}]\n" + MAIN, load=load)
    assert asked == [
        IncludeSpec("ci.yml", "platform", "refs/tags/v1"),
        IncludeSpec("inner.yml", "platform", "refs/tags/v1"),
    ]
    assert str(asked[0]) == "platform@v1:ci.yml"


@pytest.mark.parametrize("ref", ["main", "HEAD", "refs/heads/main", "refs/pull/1/head", "v*"])
def test_a_ref_that_moves_is_refused(ref: str) -> None:
    found = faults(
        f"include: [{{project: p, ref: '{ref}', path: ci.yml}}]\n" + MAIN.replace(", needs: [check]", ""), shelf()
    )
    assert len(found) == 1


def test_a_full_commit_id_is_left_as_it_is() -> None:
    asked = []

    def load(spec: IncludeSpec) -> bytes:
        asked.append(spec.ref)
        return b"image: x\n"

    parse(f"include: [{{project: p, ref: {'c0ffee00' * 5}, path: a}}]\nstages: {{a: {{steps: [x]}}}}\n", load=load)
    assert asked == ["c0ffee00" * 5]


def test_a_mistake_in_an_included_file_is_told_with_its_path_line_and_column() -> None:
    with pytest.raises(SpecError) as caught:
        parse("include: [ci.yml]\nimag: x\n" + MAIN, load=shelf(ci="image: x\nstages:\n  check: {step: [x]}\n"))
    first, *rest = caught.value.problems
    assert (first.path, first.line, first.key_path) == ("", 2, "imag")
    assert {problem.path for problem in rest} == {"ci.yml"}
    assert "ci.yml:3:11: stages.check.step: unknown key; did you mean `steps`?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "files", "path", "line", "words"),
    [
        ("include: [ci.yml]\n", {"ci": "include: [ci.yml]\n"}, "ci.yml", 1, "include each other: ci.yml -> ci.yml"),
        ("include: [.slipway.yml]\n", {}, "", 1, "include each other"),
        ("include: [gone.yml]\n", {}, "", 1, "gone.yml is not there"),
        ("include: [ci.yml]\n", {"ci": "stages: {own: {steps: [x]}}\n"}, "", 5, "stands in another file too"),
        ("include: [ci.yml]\n", {"ci": "deploy: {}\n"}, "ci.yml", 1, "unknown key"),
        ("include: [ci.yml]\n", {"ci": "[\n"}, "ci.yml", 2, "not valid YAML"),
        ("include: [ci.yml]\nparameters: {a: 1}\n", {"ci": "parameters: {a: 2}\n"}, "", 2, "stands in another file"),
        (
            "include: [a.yml]\n",
            {"a": "include: [b.yml]\n", "b": "include: [c.yml]\n", "c": "include: [d.yml]\n"},
            "c.yml",
            1,
            "too deep",
        ),
    ],
)
def test_what_is_wrong_with_an_include_is_told_where_it_stands(
    text: str, files: dict[str, str], path: str, line: int, words: str
) -> None:
    found = faults(text + MAIN.replace(", needs: [check]", ""), shelf(**files))
    assert [(where, at) for where, at, _ in found] == [(path, line)]
    assert words in found[0][2]


def test_without_a_way_to_load_an_include_says_who_has_one() -> None:
    assert "cannot be read here" in faults("include: [ci.yml]\nimage: x\nstages: {a: {steps: [x]}}\n", None)[0][2]


def test_no_more_than_twenty_files_are_loaded() -> None:
    load = shelf(
        **{f"a{n}": f"include: [b{n}.yml, c{n}.yml]\n" for n in range(12)},
        **{f"{x}{n}": "image: x\n" for x in "bc" for n in range(12)},
    )
    found = faults(f"include: [{', '.join(f'a{n}.yml' for n in range(12))}]\nstages: {{a: {{steps: [x]}}}}\n", load)
    assert "one file too many" in found[0][2]


FOLDER = {
    ".slipway/web.yml": b"image: web\nwhen: {paths: [web/]}\n"
    b"stages:\n  build: {steps: [x], cache: {paths: [c]}}\n  test: {steps: [x]}\n",
    ".slipway/api.yml": b"image: api\nstages:\n  build: {steps: [x]}\n  ship: {steps: [x], needs: [build, web/test]}\n",
}


def test_each_file_of_a_folder_gives_its_stages_under_its_own_name() -> None:
    spec = parse_folder(FOLDER)
    assert [(stage.name, stage.image, stage.needs) for stage in spec.stages] == [
        ("api/build", "api", ()),
        ("api/ship", "api", ("api/build", "web/test")),
        ("web/build", "web", ()),
        ("web/test", "web", ("web/build",)),
    ]
    assert spec.stage("web/build").caches[0].name == "web/build"


def test_each_file_of_a_folder_is_chosen_by_its_own_when() -> None:
    spec = parse_folder(FOLDER)
    stages = planned(spec, Circumstances("push", "refs/heads/main", paths=("api/x.py",)))
    assert {stage.spec.name: stage.skipped for stage in stages} == {
        "api/build": "",
        "api/ship": "",
        "web/build": "its file's `when` does not match: no file in its `paths` changed",
        "web/test": "its file's `when` does not match: no file in its `paths` changed",
    }
    assert stages[1].spec.needs == ("api/build",)


def test_two_files_of_a_folder_may_include_the_same_stages() -> None:
    files = {f".slipway/{name}.yml": b"include: [ci.yml]\n" for name in ("a", "b")}
    spec = parse_folder(files, load=shelf(ci="image: x\nstages: {check: {steps: [x]}, ship: {steps: [x]}}\n"))
    assert {stage.name: stage.needs for stage in spec.stages} == {
        "a/check": (),
        "a/ship": ("a/check",),
        "b/check": (),
        "b/ship": ("b/check",),
    }


@pytest.mark.parametrize(
    ("files", "path", "words"),
    [
        ({"s/A.yml": b"image: x\nstages: {a: {steps: [x]}}\n"}, "s/A.yml", "file's name"),
        ({"s/a.yml": b"\xff"}, "s/a.yml", "UTF-8"),
        (
            {f"s/{n}.yml": b"concurrency: x\nimage: x\nstages: {a: {steps: [x]}}\n" for n in "ab"},
            "s/b.yml",
            "another file",
        ),
        (
            {f"s/{'a' * 40}.yml": f"image: x\nstages: {{{'b' * 40}: {{steps: [x]}}}}\n".encode()},
            f"s/{'a' * 40}.yml",
            "81",
        ),
        ({}, "", "0 files"),
    ],
)
def test_a_mistake_in_a_folder_is_told_with_its_file(files: dict[str, bytes], path: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_folder(files)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert words in caught.value.problems[0].message
