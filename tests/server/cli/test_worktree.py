"""What a command finds out about the working tree it is given."""

from pathlib import Path

import pytest

from server.cli.worktree import NoWorktree, Worktree


def repository(root: Path, head: str = "ref: refs/heads/main\n") -> Path:
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text(head)
    return root


def test_the_root_is_found_from_any_folder_inside(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop")
    (root / "a" / "b").mkdir(parents=True)
    assert Worktree.around(root / "a" / "b") == Worktree(root, "refs/heads/main")


def test_a_linked_working_tree_has_its_own_branch(tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").write_text("gitdir: ../folder\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "HEAD").write_text("ref: refs/heads/feature/x\n")
    assert Worktree.around(linked).ref == "refs/heads/feature/x"


def test_a_detached_head_is_on_no_branch_of_anybody(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop", "0123456789012345678901234567890123456789\n")
    assert Worktree.around(root).ref == "refs/heads/detached"


def test_outside_of_a_repository_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoWorktree, match="--directory"):
        Worktree.around(tmp_path)


def test_the_pipeline_is_the_file_else_the_folder_else_what_is_named(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop")
    tree = Worktree.around(root)
    assert tree.spec_path(None) == ".slipway.yml"
    (root / ".slipway").mkdir()
    assert tree.spec_path(None) == ".slipway"
    assert tree.spec_path(root / "ci" / "all.yml") == "ci/all.yml"
    with pytest.raises(ValueError, match="not in the working tree"):
        tree.spec_path(tmp_path / "other.yml")
