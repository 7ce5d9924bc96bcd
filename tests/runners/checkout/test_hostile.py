"""What repositories, refs and the machine try, and do not get."""

from pathlib import Path

import pytest

from pipelines.projects.clone_urls import BadCloneUrl
from runners.checkout import BadRef, FileMissing, Mirror, UnsafeTree, check_ref, check_sha
from tests.runners.checkout.ground import MAIN, Repository


def test_a_clone_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCloneUrl):
        Mirror(tmp_path, "ext::sh -c touch% /tmp/owned")


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "HEAD",
        "refs/heads/",
        "refs/heads/-x",
        "--upload-pack=touch x",
        "refs/heads/a..b",
        "refs/heads/a@{1}",
        "refs/heads/a b",
        "refs/heads/a\n",
        "refs/heads/a\0",
        "refs/heads/.a",
        "refs/heads/a.lock",
        "refs/heads/a.lock/b",
        "refs/heads/a//b",
        "refs/heads/a/",
        "refs/heads/a.",
        "refs/heads/a:refs/slipway/1",
        "+refs/heads/a",
        "refs/heads/*",
        "refs/heads/a^{}",
        "refs/heads/a~1",
        "refs/slipway/1",
        "refs/remotes/origin/main",
        "refs/heads/" + "a" * 600,
    ],
)
def test_a_ref_that_is_not_full_and_plain_is_refused(ref: str) -> None:
    with pytest.raises(BadRef):
        check_ref(ref)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1.2.3", "refs/heads/a/é-1", "refs/pull/7/head"])
def test_a_full_ref_is_taken(ref: str) -> None:
    check_ref(ref)


@pytest.mark.parametrize("sha", ["", "abc", "A" * 40, "g" * 40, "1" * 41, "-" * 40, "1" * 40 + "\n", "HEAD"])
def test_a_commit_id_that_is_not_full_is_refused(sha: str) -> None:
    with pytest.raises(BadRef):
        check_sha(sha)


@pytest.mark.parametrize("inject", ["--upload-pack=touch {}", "-c core.fsmonitor=touch {}", "ext::touch {}"])
def test_nothing_from_outside_becomes_an_option(shop: Repository, mirror: Mirror, tmp_path: Path, inject: str) -> None:
    canary = tmp_path / "canary"
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    text = inject.format(canary)
    for attempt in (
        lambda: mirror.fetch(text, sha, "2"),
        lambda: mirror.fetch(MAIN, text, "2"),
        lambda: mirror.fetch(MAIN, sha, text),
        lambda: mirror.commit(text),
        lambda: mirror.workspace(text, MAIN),
        lambda: mirror.read_file(sha, text),
        lambda: Mirror(tmp_path / "m", text).refs(),
    ):
        with pytest.raises((BadRef, BadCloneUrl, FileMissing)):
            attempt()
    assert not canary.exists()


def test_configuration_and_variables_of_the_machine_have_no_say(
    shop: Repository, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, home = tmp_path / "canary", tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[core]\n\tfsmonitor = touch {canary}\n\thooksPath = {home}\n")
    hook = home / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath'='{home}'")
    monkeypatch.setenv("GIT_TRACE", str(canary))
    with monkeypatch.context() as before:
        for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_TRACE", "GIT_CONFIG_PARAMETERS", "HOME"):
            before.delenv(name)
        sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    assert mirror.workspace(sha, MAIN).is_file()
    assert not canary.exists()


def test_a_path_with_quotes_changes_no_configuration(tmp_path: Path) -> None:
    odd = Repository(tmp_path / 'a"b[core]#;')
    sha = odd.commit()
    assert Mirror(tmp_path / "mirrors" / "1", str(odd.path)).fetch(MAIN, sha, "1") == sha


@pytest.mark.parametrize("name", [".git", "..", ".GIT"])
def test_a_tree_that_would_write_outside_is_refused(shop: Repository, mirror: Mirror, name: str) -> None:
    blob = shop.git("hash-object", "-w", "--stdin", stdin="evil")
    raw = b"100644 " + name.encode() + b"\0" + bytes.fromhex(blob)
    tree = shop.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
    sha = shop.git("commit-tree", tree, "-m", "evil")
    shop.git("update-ref", MAIN, sha)
    mirror.fetch(MAIN, sha, "1")
    with pytest.raises(UnsafeTree):
        mirror.workspace(sha, MAIN)
