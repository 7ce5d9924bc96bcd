"""The archive that a stage's files come from."""

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from runners.checkout import CommitMissing, Mirror, storage
from tests.runners.checkout.ground import MAIN, Repository, git_in, unpack


def test_a_workspace_is_a_clean_checkout_with_a_git_that_works(
    shop: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    shop.commit("run.sh", "#!/bin/sh\n")
    (shop.path / "run.sh").chmod(0o755)
    (shop.path / "deep" / "down").mkdir(parents=True)
    (shop.path / "deep" / "down" / "link").symlink_to("/etc/passwd")
    (shop.path / os.fsdecode(b"latin-\xe9")).write_text("x")
    (shop.path / ("long" * 50)).write_text("x")
    (shop.path / "empty").write_text("")
    (shop.path / ".gitattributes").write_text("docs export-ignore\n*.txt eol=crlf\n")
    (shop.path / "a.txt").write_text("one\n")
    sha = shop.commit("docs", "docs\n")
    mirror.fetch(MAIN, sha, "1")
    workspace = unpack(mirror.workspace(sha, MAIN), tmp_path / "out")
    assert git_in(workspace, "status", "--porcelain", "--branch") == "## main\n"
    assert git_in(workspace, "rev-parse", "HEAD").strip() == sha
    assert git_in(workspace, "fsck", "--strict") == ""
    assert os.access(workspace / "run.sh", os.X_OK)
    assert not os.access(workspace / "docs", os.X_OK)
    assert (workspace / "deep" / "down" / "link").readlink() == Path("/etc/passwd")
    assert (workspace / os.fsdecode(b"latin-\xe9")).read_text() == "x"
    assert (workspace / "docs").read_text() == "docs\n"


def test_every_entry_of_a_workspace_is_root_s_and_below_its_folder(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    with tarfile.open(mirror.workspace(sha, MAIN)) as tar:
        members = tar.getmembers()
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert {member.name.split("/")[0] for member in members} == {"workspace"}
    assert len({member.name for member in members}) == len(members)


def test_a_tag_s_workspace_knows_its_tag(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    sha = shop.commit()
    shop.git("tag", "v1.2.3")
    mirror.fetch("refs/tags/v1.2.3", sha, "1")
    workspace = unpack(mirror.workspace(sha, "refs/tags/v1.2.3"), tmp_path / "out")
    assert git_in(workspace, "describe", "--tags").strip() == "v1.2.3"
    assert git_in(workspace, "branch", "--show-current") == ""


def test_a_long_history_with_merges_is_cut_and_still_sound(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    for number in range(25):
        shop.commit("file", f"{number}\n")
        shop.git("checkout", "--quiet", "-b", f"side{number}")
        shop.commit(f"side{number}")
        shop.git("checkout", "--quiet", "main")
        shop.git("merge", "--quiet", "--no-ff", "-m", "merge", f"side{number}")
    sha = shop.git("rev-parse", "HEAD")
    mirror.fetch(MAIN, sha, "1")
    workspace = unpack(mirror.workspace(sha, MAIN), tmp_path / "out")
    assert git_in(workspace, "fsck", "--strict") == ""
    assert 40 <= int(git_in(workspace, "rev-list", "--count", "HEAD")) <= 50
    assert git_in(workspace, "status", "--porcelain") == ""


def test_a_submodule_is_an_empty_folder(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    shop.commit()
    shop.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    shop.git("commit", "--quiet", "--message", "submodule")
    sha = shop.git("rev-parse", "HEAD")
    mirror.fetch(MAIN, sha, "1")
    assert list((unpack(mirror.workspace(sha, MAIN), tmp_path / "out") / "lib").iterdir()) == []


def test_a_workspace_that_was_made_is_found_without_git(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    assert mirror.workspace_at_hand(sha, MAIN) is None
    mirror.fetch(MAIN, sha, "1")
    made = mirror.workspace(sha, MAIN)
    shutil.rmtree(mirror.path)
    assert mirror.workspace_at_hand(sha, MAIN) == made
    assert mirror.workspace_at_hand(sha, "refs/tags/v1") is None


def test_a_workspace_is_made_once_and_old_ones_go(
    shop: Repository, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "KEPT_WORKSPACES", 1)
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    old = mirror.workspace(sha, MAIN)
    assert mirror.workspace(sha, MAIN) == old
    mirror.workspace(sha, "refs/tags/young")
    os.utime(old, (0, 0))
    new = mirror.workspace(sha, "refs/tags/new")
    assert new.exists()
    assert not old.exists()
    assert [path.suffix for path in new.parent.iterdir()] == [".tar", ".tar"]


def test_a_workspace_of_a_commit_that_is_not_here_is_a_missing_commit(shop: Repository, mirror: Mirror) -> None:
    mirror.fetch(MAIN, shop.commit(), "1")
    with pytest.raises(CommitMissing):
        mirror.workspace("1" * 40, MAIN)
