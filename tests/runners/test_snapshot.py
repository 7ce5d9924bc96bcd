"""A working tree as a commit: all of it, nothing else, and the repository as it was."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from runners.checkout import Mirror
from runners.snapshot import NoSnapshot, snapshot
from tests.runners.checkout.ground import MAIN, Repository, git_in, unpack


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def files_of(repository: Repository, sha: str) -> dict[str, str]:
    names = repository.git("-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", sha).splitlines()
    return {name: repository.git("cat-file", "-p", f"{sha}:{name}") for name in names}


def state_of(repository: Repository) -> dict[str, str]:
    """Everything but the objects: files, index, refs, and when the index was written."""
    found = {}
    for path in sorted(repository.path.rglob("*")):
        if path.is_file() and "objects" not in path.parts:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = f"{digest} {path.stat().st_mtime_ns}"
    return found


def test_the_tree_is_recorded_as_it_is_and_the_repository_stays_as_it_was(shop: Repository) -> None:
    shop.commit(".gitignore", "*.log\n")
    shop.commit("gone")
    head = shop.commit("tracked", "old\n")
    (shop.path / "tracked").write_text("new\n")
    (shop.path / "gone").unlink()
    (shop.path / "untracked").write_text("u\n")
    (shop.path / "noise.log").write_text("n\n")
    (shop.path / "staged").write_text("staged\n")
    shop.git("add", "staged")
    (shop.path / "staged").write_text("and changed\n")
    before = state_of(shop)
    sha = snapshot(shop.path)
    assert state_of(shop) == before
    assert files_of(shop, sha) == {
        ".gitignore": "*.log",
        "tracked": "new",
        "untracked": "u",
        "staged": "and changed",
    }
    assert shop.git("rev-parse", f"{sha}^") == head
    assert shop.git("for-each-ref", "--contains", sha) == ""


def test_a_repository_without_a_commit_gives_one_without_parents(shop: Repository) -> None:
    (shop.path / "first").write_text("x\n")
    sha = snapshot(shop.path)
    assert files_of(shop, sha) == {"first": "x"}
    assert shop.git("rev-list", "--parents", "-1", sha) == sha


def test_from_a_folder_below_the_whole_tree_is_recorded(shop: Repository) -> None:
    shop.commit("top")
    shop.commit("deep/down/file")
    assert files_of(shop, snapshot(shop.path / "deep" / "down")).keys() == {"top", "deep/down/file"}


def test_a_linked_worktree_is_recorded_with_its_own_head(shop: Repository, tmp_path: Path) -> None:
    shop.commit("file")
    shop.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "new").write_text("n\n")
    before = state_of(shop)
    sha = snapshot(tmp_path / "side")
    assert files_of(shop, sha).keys() == {"file", "new"}
    assert state_of(shop) == before


def test_of_a_submodule_its_head_is_recorded(shop: Repository, tmp_path: Path) -> None:
    library = Repository(tmp_path / "library")
    library.commit("lib")
    shop.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(library.path), "lib")
    shop.commit(message="submodule")
    inside = Repository.__new__(Repository)
    inside.path = shop.path / "lib"
    moved = inside.commit("more")
    (inside.path / "dirty").write_text("d\n")
    sha = snapshot(shop.path)
    assert f"160000 commit {moved}\tlib" in shop.git("ls-tree", sha)
    subprocess.run(["git", "-C", str(shop.path), "submodule", "deinit", "--force", "--all"], check=True)
    assert "160000 commit" in shop.git("ls-tree", snapshot(shop.path))


def test_nothing_that_a_hostile_repository_configures_is_started(shop: Repository, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    library = Repository(tmp_path / "library")
    library.commit("lib")
    shop.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(library.path), "lib")
    shop.commit(".gitattributes", "* filter=evil diff=evil merge=evil\n")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    program.chmod(0o755)
    for name in ("post-index-change", "pre-commit", "reference-transaction", "post-checkout", "fsmonitor-watchman"):
        (hooks / name).symlink_to(program)
    settings = {
        "core.fsmonitor": str(program),
        "core.hooksPath": str(hooks),
        "core.sshCommand": str(program),
        "core.alternateRefsCommand": str(program),
        "filter.evil.clean": str(program),
        "filter.evil.process": str(program),
        "filter.evil.required": "true",
        "diff.external": str(program),
        "gpg.program": str(program),
        "commit.gpgSign": "true",
        "core.worktree": str(tmp_path),
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{program}",
    }
    for where in (shop.path / ".git", shop.path / ".git" / "modules" / "lib"):
        for key, value in settings.items():
            subprocess.run(["git", "config", "-f", str(where / "config"), key, value], check=True)
    (shop.path / "new").write_text("n\n")
    (shop.path / "lib" / "lib").write_text("changed\n")
    sha = snapshot(shop.path)
    listed = git_in(library.path, "--git-dir", str(shop.path / ".git"), "ls-tree", "--full-tree", "--name-only", sha)
    assert set(listed.split()) == {".gitattributes", ".gitmodules", "lib", "new"}
    assert not canary.exists()
    subprocess.run(["git", "-C", str(shop.path), "status"], check=False, capture_output=True)
    assert canary.exists()  # git itself would have started one of them


def test_what_a_person_ignores_everywhere_is_ignored(
    shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "ignore").write_text("*.swp\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (shop.path / ".git" / "info").mkdir(exist_ok=True)
    (shop.path / ".git" / "info" / "exclude").write_text("private\n")
    for name in ("kept", "a.swp", "private"):
        (shop.path / name).write_text("x\n")
    assert files_of(shop, snapshot(shop.path)).keys() == {"kept"}


def test_links_modes_and_odd_names_are_recorded(shop: Repository) -> None:
    (shop.path / "run").write_text("#!/bin/sh\n")
    (shop.path / "run").chmod(0o755)
    (shop.path / "link").symlink_to("/etc/passwd")
    (shop.path / os.fsdecode(b"latin-\xe9")).write_text("x")
    (shop.path / "-option").write_text("x")
    listed = shop.git("ls-tree", snapshot(shop.path))
    assert "100755 blob" in listed
    assert "120000 blob" in listed
    assert len(listed.splitlines()) == 4


def test_a_conflict_in_the_index_is_recorded_as_the_files_are(shop: Repository) -> None:
    shop.commit("file", "base\n")
    shop.git("checkout", "--quiet", "-b", "side")
    shop.commit("file", "side\n")
    shop.git("checkout", "--quiet", "main")
    shop.commit("file", "main\n")
    with pytest.raises(subprocess.CalledProcessError):
        shop.git("merge", "side")
    assert "<<<<<<<" in files_of(shop, snapshot(shop.path))["file"]


def test_the_same_tree_twice_is_the_same_content(shop: Repository) -> None:
    shop.commit()
    (shop.path / "file").write_text("x")
    trees = {shop.git("rev-parse", f"{snapshot(shop.path)}^{{tree}}") for _ in range(2)}
    assert len(trees) == 1


def test_a_mirror_fetches_a_snapshot_and_makes_a_workspace_of_it(shop: Repository, tmp_path: Path) -> None:
    shop.commit("file", "old\n")
    (shop.path / "file").write_text("new\n")
    sha = snapshot(shop.path)
    mirror = Mirror(tmp_path / "mirrors" / "1", str(shop.path))
    mirror.fetch(MAIN, sha, "1")
    assert (unpack(mirror.workspace(sha, MAIN), tmp_path / "out") / "file").read_text() == "new\n"


def test_a_mirror_of_a_linked_worktree_fetches_its_snapshot(shop: Repository, tmp_path: Path) -> None:
    shop.commit("file")
    shop.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    sha = snapshot(tmp_path / "side")
    assert Mirror(tmp_path / "mirrors" / "1", str(tmp_path / "side")).fetch(MAIN, sha, "1") == sha


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_either_kind_of_object_id_is_recorded(tmp_path: Path, form: str) -> None:
    subprocess.run(["git", "init", "--quiet", f"--object-format={form}", str(tmp_path / "new")], check=True)
    (tmp_path / "new" / "file").write_text("x\n")
    sha = snapshot(tmp_path / "new")
    assert len(sha) == {"sha1": 40, "sha256": 64}[form]


def test_where_no_repository_is_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoSnapshot, match="in no git repository"):
        snapshot(tmp_path)


def test_a_repository_inside_that_has_no_commit_is_named(shop: Repository) -> None:
    shop.commit()
    Repository(shop.path / "inner")
    (shop.path / "inner" / "file").write_text("x")
    with pytest.raises(NoSnapshot, match="inner"):
        snapshot(shop.path)
