"""Which events a stage is for."""

import time
from typing import Any

import pytest

from pipelines.spec.conditions import Circumstances, applies, matches, matches_ref, refusal
from pipelines.spec.globs import matches_path
from pipelines.spec.model import Globs, When


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("main", "main", True),
        ("main", "maintenance", False),
        ("main", "x/main", False),
        ("v*", "v1.2.3", True),
        ("v*", "xv1", False),
        ("release/*", "release/1", True),
        ("release/*", "release/1/fix", False),
        ("release/**", "release/1/fix", True),
        ("**", "any/thing", True),
        ("*", "a/b", False),
        ("v?.0", "v1.0", True),
        ("v?.0", "v/.0", False),
        ("v.", "vx", False),
        ("*-rc*", "v1-rc2", True),
        ("a*", "a", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_globs(glob: str, name: str, expected: bool) -> None:
    assert matches(glob, name) is expected


@pytest.mark.parametrize(("path", "expected"), [("x.py", True), ("a/x.py", True), ("ax.py", False), ("a/bx.py", False)])
def test_any_folder_stands_for_whole_names_of_folders(path: str, expected: bool) -> None:
    assert matches_path("**/x.py", path) is expected


def test_a_glob_of_many_stars_takes_no_time() -> None:
    started = time.thread_time()
    assert not matches("*a" * 100, "a" * 250 + "b")
    assert time.thread_time() - started < 5  # to try them all would take longer than there is time


def agrees(when: When, event: str, ref: str, **told: Any) -> bool:
    return applies((when,), Circumstances(event, ref, **told))


def test_a_stage_without_when_is_for_everything() -> None:
    assert applies((), Circumstances("pull_request", "refs/pull/7/head"))
    assert agrees(When(), "pull_request", "refs/pull/7/head")


def test_a_branch_named_like_a_tag_matches_no_tag() -> None:
    when = When(tags=Globs(("v*", "*v1.2.3")))
    assert agrees(when, "tag", "refs/tags/v1.2.3")
    assert not agrees(when, "push", "refs/heads/x-v1.2.3")
    assert not agrees(when, "push", "refs/heads/v1.2.3")


def test_a_tag_named_like_a_branch_matches_no_branch() -> None:
    assert not agrees(When(branches=Globs(("main",))), "tag", "refs/tags/main")


def test_branch_and_tag_together_mean_either() -> None:
    when = When(branches=Globs(("main",)), tags=Globs(("v*",)))
    assert agrees(when, "push", "refs/heads/main")
    assert agrees(when, "tag", "refs/tags/v1")
    assert not agrees(when, "push", "refs/heads/other")


def test_event_and_branch_must_both_agree() -> None:
    when = When(branches=Globs(("main",)), events=("manual",))
    assert agrees(when, "manual", "refs/heads/main")
    assert not agrees(when, "push", "refs/heads/main")


def test_a_pull_request_matches_no_branch_whatever_its_own_is_called() -> None:
    assert not agrees(When(branches=Globs(("main",))), "pull_request", "refs/heads/main")
    assert not agrees(When(branches=Globs(exclude=("x",))), "pull_request", "refs/heads/main")
    assert agrees(When(events=("pull_request",)), "pull_request", "refs/pull/7/head")


def test_a_pull_request_is_asked_for_its_target_in_a_condition() -> None:
    when = When(condition="target == 'main'")
    assert agrees(when, "pull_request", "refs/pull/7/head", target="refs/heads/main")
    assert not agrees(when, "pull_request", "refs/pull/7/head", target="refs/heads/next")
    assert not agrees(when, "push", "refs/heads/main")


def test_excluded_branches_leave_all_others_but_no_tags() -> None:
    when = When(branches=Globs(exclude=("wip/*",)))
    assert agrees(when, "push", "refs/heads/main")
    assert not agrees(when, "push", "refs/heads/wip/x")
    assert not agrees(when, "tag", "refs/tags/v1")


def test_one_changed_file_that_counts_is_enough() -> None:
    when = When(paths=Globs(("src/", "*.toml"), ("**/*.md",)))
    assert agrees(when, "push", "refs/heads/main", paths=("docs/x", "src/a/b.py"))
    assert agrees(when, "push", "refs/heads/main", paths=("pyproject.toml",))
    assert not agrees(when, "push", "refs/heads/main", paths=("src/README.md", "README.md"))
    assert not agrees(when, "push", "refs/heads/main", paths=())


def test_where_it_is_unknown_what_changed_a_condition_on_paths_holds() -> None:
    assert agrees(When(paths=Globs(("src/",))), "manual", "refs/heads/main")


def test_one_of_several_is_enough() -> None:
    whens = (When(events=("tag",)), When(branches=Globs(("main",))))
    assert applies(whens, Circumstances("push", "refs/heads/main"))
    assert applies(whens, Circumstances("tag", "refs/tags/x"))
    assert not applies(whens, Circumstances("push", "refs/heads/x"))


def test_a_condition_knows_matrix_and_parameters() -> None:
    when = When(condition="matrix.os == 'linux' and parameters.fast")
    assert applies((when,), Circumstances("push", "x", parameters={"fast": "true"}), {"os": "linux"})
    assert not applies((when,), Circumstances("push", "x", parameters={"fast": "false"}), {"os": "linux"})
    assert not applies((when,), Circumstances("push", "x", parameters={"fast": "true"}), {"os": "bsd"})


def test_why_a_stage_is_not_for_an_event_is_said_in_words() -> None:
    main = Circumstances("push", "refs/heads/main", paths=("a",))
    said = [
        refusal((when,), main, {})
        for when in (
            When(events=("tag",)),
            When(tags=Globs(("v*",))),
            When(paths=Globs(("b",))),
            When(condition="false"),
            When(),
        )
    ]
    assert said == [
        "the event is push",
        "refs/heads/main is not meant",
        "no file in its `paths` changed",
        "its `if` does not hold",
        "",
    ]


@pytest.mark.parametrize("ref", ["main", "refs/heads", "refs/remotes/origin/main", "refs/pull/1/head"])
def test_only_full_refs_of_branches_and_tags_match(ref: str) -> None:
    assert not matches_ref(ref, branches=("**",), tags=("**",))
