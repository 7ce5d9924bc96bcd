"""What a mirror tells of commits: what changed, what came before, what was written about them."""

import dataclasses
from pathlib import Path

import pytest

from runners.checkout import BadRef, CommitMissing, Mirror, repository
from tests.runners.checkout.ground import MAIN, Repository, git_in, unpack

ZERO = "0" * 40


def test_the_paths_that_a_push_changed_are_named(shop: Repository, mirror: Mirror) -> None:
    shop.commit("kept")
    shop.commit("gone")
    before = shop.commit("docs/moved.md", "the same text\n" * 9)
    shop.git("rm", "--quiet", "gone")
    shop.git("mv", "docs/moved.md", "docs/ünusual name.md")
    after = shop.commit("src/new.py")
    mirror.fetch(MAIN, after, "1")
    assert mirror.changed_paths(before, after) == ("docs/moved.md", "docs/ünusual name.md", "gone", "src/new.py")
    assert mirror.changed_paths(after, after) == ()


def test_the_base_of_a_forced_push_is_fetched_though_no_branch_leads_to_it(shop: Repository, mirror: Mirror) -> None:
    shop.commit()
    before = shop.commit("old")
    shop.git("reset", "--quiet", "--hard", "HEAD~")
    after = shop.commit("new")
    mirror.fetch(MAIN, after, "1")
    assert mirror.changed_paths(before, after) == ("new", "old")


@pytest.mark.parametrize("base", ["", ZERO, "1" * 40])
def test_without_a_base_nothing_is_known(shop: Repository, mirror: Mirror, base: str) -> None:
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    assert mirror.changed_paths(base, sha) is None


def test_a_host_that_does_not_answer_leaves_the_changes_unknown(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    shop.path.rename(shop.path.with_name("gone"))
    assert mirror.changed_paths("1" * 40, sha) is None
    assert mirror.fork_point(sha, MAIN) == ""


def test_more_paths_than_are_listed_are_unknown(
    shop: Repository, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.commit()
    for number in range(5):
        (shop.path / f"file{number}").write_text("x")
    after = shop.commit()
    mirror.fetch(MAIN, after, "1")
    monkeypatch.setattr(repository, "MAX_PATHS", 5)
    assert len(mirror.changed_paths(before, after) or ()) == 5
    monkeypatch.setattr(repository, "MAX_PATHS", 4)
    assert mirror.changed_paths(before, after) is None


def test_a_new_branch_is_compared_with_where_it_left_the_default_one(shop: Repository, mirror: Mirror) -> None:
    left = shop.commit()
    shop.git("checkout", "--quiet", "-b", "side")
    tip = shop.commit("on-the-side")
    shop.git("checkout", "--quiet", "main")
    shop.commit("on-main")
    mirror.fetch("refs/heads/side", tip, "1")
    base = mirror.fork_point(tip, MAIN)
    assert base == left
    assert mirror.changed_paths(base, tip) == ("on-the-side",)


def test_histories_without_a_common_commit_have_no_fork_point(shop: Repository, mirror: Mirror) -> None:
    shop.commit()
    shop.git("checkout", "--quiet", "--orphan", "alone")
    tip = shop.commit("other")
    mirror.fetch("refs/heads/alone", tip, "1")
    assert mirror.fork_point(tip, MAIN) == ""
    assert mirror.fork_point(tip, "refs/heads/never-was") == ""


def test_the_tip_of_a_branch_and_of_an_annotated_tag_are_commits_that_are_here(
    shop: Repository, mirror: Mirror
) -> None:
    sha = shop.commit(".slipway.yml", "image: x\n")
    shop.git("tag", "-a", "v1", "-m", "one")
    assert mirror.tip(MAIN) == mirror.tip("refs/tags/v1") == sha
    assert mirror.tip("refs/heads/gone") is None
    assert mirror.read_file(sha, ".slipway.yml") == b"image: x\n"


@pytest.mark.parametrize("hostile", ["--output=/tmp/x", "HEAD", "main"])
def test_only_full_ids_and_refs_are_compared(shop: Repository, mirror: Mirror, hostile: str) -> None:
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    for ask in (
        lambda: mirror.changed_paths(hostile, sha),
        lambda: mirror.changed_paths(sha, hostile),
        lambda: mirror.is_ancestor(hostile, sha),
        lambda: mirror.message(hostile),
        lambda: mirror.list_files(hostile),
        lambda: mirror.fork_point(sha, hostile),
    ):
        with pytest.raises(BadRef):
            ask()


def test_the_files_directly_in_a_folder_are_listed(shop: Repository, mirror: Mirror) -> None:
    for name in ("ci/b.yml", "ci/a.yml", "ci/deep/c.yml"):
        shop.commit(name)
    (shop.path / "ci" / "link.yml").symlink_to("a.yml")
    sha = shop.commit("top.yml")
    mirror.fetch(MAIN, sha, "1")
    assert mirror.list_files(sha, "ci") == ("ci/a.yml", "ci/b.yml", "ci/link.yml")
    assert mirror.list_files(sha, "ci/") == mirror.list_files(sha, "ci")
    assert mirror.list_files(sha) == ("top.yml",)
    assert mirror.list_files(sha, "none") == mirror.list_files(sha, "top.yml") == mirror.list_files(sha, "../etc") == ()


def test_the_whole_message_is_given(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit(message="subject\n\nbody – line\n\n[skip ci]\n")
    mirror.fetch(MAIN, sha, "1")
    assert mirror.message(sha) == "subject\n\nbody – line\n\n[skip ci]"
    with pytest.raises(CommitMissing):
        mirror.message("1" * 40)


def test_a_commit_knows_its_ancestors(shop: Repository, mirror: Mirror) -> None:
    first = shop.commit()
    second = shop.commit("more")
    mirror.fetch(MAIN, second, "1")
    assert mirror.is_ancestor(first, second)
    assert mirror.is_ancestor(second, second)
    assert not mirror.is_ancestor(second, first)
    for pair in ((first, "1" * 40), ("1" * 40, first)):
        with pytest.raises(CommitMissing, match="111111111111"):
            mirror.is_ancestor(*pair)


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (3, 3), (0, 60), (50, 50)])
def test_a_workspace_has_as_much_history_as_was_asked_for(
    shop: Repository, mirror: Mirror, tmp_path: Path, depth: int, count: int
) -> None:
    shop.commit()
    for _ in range(59):
        shop.git("commit", "--quiet", "--allow-empty", "--message", "more")
    sha = shop.git("rev-parse", "HEAD")
    mirror.fetch(MAIN, sha, "1")
    made = dataclasses.replace(mirror, depth=depth).workspace(sha, MAIN)
    workspace = unpack(made, tmp_path / "out")
    assert int(git_in(workspace, "rev-list", "--count", "HEAD")) == count
    assert git_in(workspace, "fsck", "--strict") == ""
    assert git_in(workspace, "status", "--porcelain") == ""
    assert (made != mirror.workspace(sha, MAIN)) == (depth != 50)


def test_a_whole_history_has_its_tags_and_a_cut_one_only_its_own(
    shop: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    shop.commit()
    shop.git("tag", "-a", "v1", "-m", "one")
    shop.git("tag", "a-light/one")
    sha = shop.commit("more")
    shop.git("checkout", "--quiet", "-b", "side")
    shop.commit("aside")
    shop.git("tag", "elsewhere")
    mirror.fetch(MAIN, sha, "1")
    whole = unpack(dataclasses.replace(mirror, depth=0).workspace(sha, MAIN), tmp_path / "whole")
    assert git_in(whole, "describe").startswith("v1-1-g")
    assert git_in(whole, "tag").split() == ["a-light/one", "v1"]
    assert git_in(whole, "fsck", "--strict") == ""
    assert git_in(whole, "status", "--porcelain", "--branch") == "## main\n"
    assert git_in(unpack(mirror.workspace(sha, MAIN), tmp_path / "cut"), "tag") == ""


def test_a_tag_that_was_deleted_is_not_in_the_next_workspace(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    shop.commit()
    shop.git("tag", "gone")
    sha = shop.commit("more")
    whole = dataclasses.replace(mirror, depth=0)
    whole.fetch(MAIN, sha, "1")
    whole.workspace(sha, MAIN)
    shop.git("tag", "-d", "gone")
    shop.git("tag", "new")
    tags = git_in(unpack(whole.workspace(sha, "refs/heads/other"), tmp_path / "out"), "tag")
    assert tags.split() == ["new"]


def test_a_tag_s_own_run_keeps_what_was_pushed(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    first = shop.commit()
    sha = shop.commit("more")
    shop.git("tag", "-a", "v1", "-m", "one")
    whole = dataclasses.replace(mirror, depth=0)
    whole.fetch("refs/tags/v1", sha, "1")
    assert git_in(unpack(whole.workspace(sha, "refs/tags/v1"), tmp_path / "one"), "describe").strip() == "v1"
    shop.git("tag", "--force", "v1", first)
    again = dataclasses.replace(whole, path=tmp_path / "mirrors" / "2")
    again.fetch("refs/tags/v1", sha, "1")
    moved = unpack(again.workspace(sha, "refs/tags/v1"), tmp_path / "two")
    assert git_in(moved, "describe", "--tags").strip() == "v1"
