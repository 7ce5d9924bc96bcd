"""Which events a stage is for."""

import time

import pytest

from pipelines.spec.conditions import applies, matches, matches_ref
from pipelines.spec.model import When


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


def test_a_glob_of_many_stars_takes_no_time() -> None:
    started = time.process_time()
    assert not matches("*a" * 100, "a" * 250 + "b")
    assert time.process_time() - started < 0.5


def test_a_stage_without_when_is_for_everything() -> None:
    assert applies(When(), "pull_request", "refs/pull/7/head")


def test_a_branch_named_like_a_tag_matches_no_tag() -> None:
    when = When(tags=("v*", "*v1.2.3"))
    assert applies(when, "tag", "refs/tags/v1.2.3")
    assert not applies(when, "push", "refs/heads/x-v1.2.3")
    assert not applies(when, "push", "refs/heads/v1.2.3")


def test_a_tag_named_like_a_branch_matches_no_branch() -> None:
    assert not applies(When(branches=("main",)), "tag", "refs/tags/main")


def test_branch_and_tag_together_mean_either() -> None:
    when = When(branches=("main",), tags=("v*",))
    assert applies(when, "push", "refs/heads/main")
    assert applies(when, "tag", "refs/tags/v1")
    assert not applies(when, "push", "refs/heads/other")


def test_event_and_branch_must_both_agree() -> None:
    when = When(branches=("main",), events=("manual",))
    assert applies(when, "manual", "refs/heads/main")
    assert not applies(when, "push", "refs/heads/main")


def test_a_pull_request_matches_no_branch_whatever_its_own_is_called() -> None:
    assert not applies(When(branches=("main",)), "pull_request", "refs/heads/main")
    assert applies(When(events=("pull_request",)), "pull_request", "refs/pull/7/head")


@pytest.mark.parametrize("ref", ["main", "refs/heads", "refs/remotes/origin/main", "refs/pull/1/head"])
def test_only_full_refs_of_branches_and_tags_match(ref: str) -> None:
    assert not matches_ref(ref, branches=("**",), tags=("**",))
