"""Submodules: checked out when a project asks for it, and from nowhere that it may not read."""

import dataclasses
import tarfile
from pathlib import Path

import pytest

from runners.checkout import CloneFailed, Mirror, SubmoduleRefused, submodules
from runners.checkout.submodules import Origin, resolve
from runners.checkout.workspaces import TreeEntry
from tests.lab.lfs import lfs_host
from tests.runners.checkout.ground import MAIN, Repository, git_in, unpack

GITLINK = 0o160000
HTTPS = Origin("https://example.org/owner/shop.git", allow_local=False, allow_http=False)


@pytest.fixture
def library(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "library")
    made.commit("lib.py", "answer = 42\n")
    return made


@pytest.fixture
def open_mirror(mirror: Mirror) -> Mirror:
    """One whose project asked for submodules, on a server that clones from its own disk."""
    return dataclasses.replace(mirror, with_submodules=True, shares_credentials=True, local_submodules=True)


def add(to: Repository, module: Repository, path: str, url: str = "") -> str:
    """The commit that puts the module's HEAD there."""
    to.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", "--", str(module.path), path)
    to.git("config", "-f", ".gitmodules", f"submodule.{path}.url", url or f"../{module.path.name}")
    return to.commit(message=f"{path} added")


def fetched(mirror: Mirror, sha: str, into: Path) -> Path:
    mirror.fetch(MAIN, sha, "1")
    return unpack(mirror.workspace(sha, MAIN), into)


def test_a_submodule_lies_at_its_path_and_git_works_in_both(
    shop: Repository, library: Repository, open_mirror: Mirror, tmp_path: Path
) -> None:
    shop.commit()
    sha = add(shop, library, "vendor/lib")
    workspace = fetched(open_mirror, sha, tmp_path / "out")
    assert (workspace / "vendor" / "lib" / "lib.py").read_text() == "answer = 42\n"
    assert git_in(workspace, "status", "--porcelain") == ""
    assert (
        git_in(workspace, "describe", "--always", "--dirty").strip()
        == git_in(workspace, "rev-parse", "--short", "HEAD").strip()
    )
    head = library.git("rev-parse", "HEAD")
    assert git_in(workspace / "vendor" / "lib", "rev-parse", "HEAD").strip() == head
    assert git_in(workspace / "vendor" / "lib", "status", "--porcelain") == ""
    assert git_in(workspace, "submodule", "status").split()[:2] == [head, "vendor/lib"]


def test_a_change_in_a_submodule_is_seen_by_git(
    shop: Repository, library: Repository, open_mirror: Mirror, tmp_path: Path
) -> None:
    workspace = fetched(open_mirror, add(shop, library, "lib"), tmp_path / "out")
    (workspace / "lib" / "lib.py").write_text("answer = 43\n")
    assert git_in(workspace, "status", "--porcelain") == " M lib\n"


def test_submodules_of_submodules_come_along(
    shop: Repository, library: Repository, open_mirror: Mirror, tmp_path: Path
) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit("deep", "deep\n")
    add(library, inner, "inner")
    workspace = fetched(open_mirror, add(shop, library, "lib"), tmp_path / "out")
    assert (workspace / "lib" / "inner" / "deep").read_text() == "deep\n"
    assert git_in(workspace, "status", "--porcelain") == ""


def test_a_project_that_did_not_ask_gets_none(
    shop: Repository, library: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    workspace = fetched(mirror, add(shop, library, "lib"), tmp_path / "out")
    assert list((workspace / "lib").iterdir()) == []


def test_switching_submodules_on_makes_another_workspace(
    shop: Repository, library: Repository, mirror: Mirror, open_mirror: Mirror
) -> None:
    sha = add(shop, library, "lib")
    mirror.fetch(MAIN, sha, "1")
    assert mirror.workspace(sha, MAIN) != open_mirror.workspace(sha, MAIN)


def test_a_commit_that_the_branch_of_the_submodule_left_behind_still_comes(
    shop: Repository, library: Repository, open_mirror: Mirror, tmp_path: Path
) -> None:
    sha = add(shop, library, "lib")
    library.git("commit", "--quiet", "--amend", "--message", "instead")
    assert (fetched(open_mirror, sha, tmp_path / "out") / "lib" / "lib.py").exists()


def test_a_submodule_that_names_itself_over_and_over_is_refused(shop: Repository, open_mirror: Mirror) -> None:
    first = shop.commit()
    text = '[submodule "me"]\n\tpath = me\n\turl = ../shop\n'
    for _ in range(6):
        (shop.path / ".gitmodules").write_text(text)
        shop.git("add", ".gitmodules")
        shop.git("update-index", "--add", "--cacheinfo", f"{GITLINK:o},{first},me")
        shop.git("commit", "--quiet", "--message", "deeper")
        first = shop.git("rev-parse", "HEAD")
    open_mirror.fetch(MAIN, first, "1")
    with pytest.raises(SubmoduleRefused, match="one too many"):
        open_mirror.workspace(first, MAIN)


def test_pins_of_a_workspace_in_the_making_do_not_stay(
    shop: Repository, library: Repository, open_mirror: Mirror, tmp_path: Path
) -> None:
    fetched(open_mirror, add(shop, library, "lib"), tmp_path / "out")
    kept = list(open_mirror.path.with_name("1.modules").glob("*.git"))
    assert len(kept) == 1
    assert git_in(kept[0], "for-each-ref", "refs/slipway") == ""


def test_a_repository_of_this_machine_is_no_submodule_unless_that_is_allowed(
    shop: Repository, library: Repository, open_mirror: Mirror
) -> None:
    sha = add(shop, library, "lib")
    closed = dataclasses.replace(open_mirror, local_submodules=False)
    closed.fetch(MAIN, sha, "1")
    with pytest.raises(SubmoduleRefused, match="Local repositories are not allowed"):
        closed.workspace(sha, MAIN)


def test_no_setting_of_gitmodules_starts_anything(
    shop: Repository, library: Repository, open_mirror: Mirror, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    add(shop, library, "lib")
    for key, value in (("update", f"!touch {canary}"), ("fetchRecurseSubmodules", "true"), ("ignore", "all")):
        shop.git("config", "-f", ".gitmodules", f"submodule.lib.{key}", value)
    shop.git("config", "-f", ".gitmodules", "core.fsmonitor", f"touch {canary}")
    shop.git("config", "-f", ".gitmodules", "include.path", str(tmp_path / "other"))
    workspace = fetched(open_mirror, shop.commit(message="hostile"), tmp_path / "out")
    assert (workspace / "lib" / "lib.py").exists()
    assert "touch" not in (workspace / ".git" / "config").read_text()
    assert not canary.exists()


def test_every_file_of_a_submodule_is_below_its_path(
    shop: Repository, library: Repository, open_mirror: Mirror
) -> None:
    sha = add(shop, library, "lib")
    open_mirror.fetch(MAIN, sha, "1")
    with tarfile.open(open_mirror.workspace(sha, MAIN)) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
    assert all(name.split("/")[0] == "workspace" and ".." not in name.split("/") for name in names)


def listing(name: str, path: str, url: str) -> bytes:
    return f"submodule.{name}.path\n{path}\0submodule.{name}.url\n{url}\0".encode()


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/owned",
        "--upload-pack=touch",
        "-u",
        "/srv/other-project",
        "file:///etc",
        "../../../../etc",
        "../../../x",
        "http://example.org/x",
        "https://user:password@example.org/x",
        "ssh://-oProxyCommand=touch/x",
        "git@host:--upload-pack=touch",
        "",
    ],
)
def test_a_submodule_from_where_none_may_come_is_refused(url: str) -> None:
    with pytest.raises(SubmoduleRefused):
        submodules.find([TreeEntry(GITLINK, "1" * 40, "lib")], listing("lib", "lib", url), HTTPS)


@pytest.mark.parametrize("name", ["../../hooks", 'a"]\n[core]', "x" * 300])
def test_a_submodule_with_a_name_that_git_does_not_take_is_refused(name: str) -> None:
    raw = f"submodule.{name}.path\nlib\0submodule.{name}.url\n../lib\0".encode()
    with pytest.raises(SubmoduleRefused):
        submodules.find([TreeEntry(GITLINK, "1" * 40, "lib")], raw, HTTPS)


def test_a_submodule_that_gitmodules_does_not_name_is_refused_in_words() -> None:
    with pytest.raises(SubmoduleRefused, match=r"\.gitmodules does not say where from"):
        submodules.find([TreeEntry(GITLINK, "1" * 40, "lib")], b"", HTTPS)


@pytest.mark.parametrize(
    ("url", "base", "whole"),
    [
        ("../lib", "https://example.org/owner/shop.git", "https://example.org/owner/lib"),
        ("../lib", "https://example.org/owner/shop/", "https://example.org/owner/lib"),
        ("../../other/lib.git", "https://example.org/owner/shop.git", "https://example.org/other/lib.git"),
        ("./lib", "https://example.org/shop.git", "https://example.org/shop.git/lib"),
        ("../lib", "git@example.org:owner/shop.git", "git@example.org:owner/lib"),
        ("../lib", "git@example.org:shop.git", "git@example.org:lib"),
        ("../lib", "ssh://git@example.org:22/a/b", "ssh://git@example.org:22/a/lib"),
        ("../lib", "/srv/git/shop", "/srv/git/lib"),
        ("https://other.org/x", "git@example.org:shop.git", "https://other.org/x"),
    ],
)
def test_a_relative_url_is_resolved_as_git_does(url: str, base: str, whole: str) -> None:
    assert resolve(url, base) == whole


@pytest.mark.parametrize(
    ("url", "token", "key"),
    [
        ("https://example.org/other/lib.git", "t0ken", ""),
        ("https://example.org:444/other/lib.git", None, ""),
        ("https://elsewhere.org/other/lib.git", None, ""),
    ],
)
def test_only_the_same_host_is_shown_the_project_s_token(tmp_path: Path, url: str, token: str | None, key: str) -> None:
    mirror = Mirror(tmp_path / "1", HTTPS.clone_url, token="t0ken", deploy_key="", shares_credentials=True)
    module = submodules.Submodule("lib", "lib", url, "1" * 40)
    found = mirror._mirror_of(module)
    assert (found.token, found.deploy_key) == (token, key)
    untrusted = dataclasses.replace(mirror, shares_credentials=False)._mirror_of(module)
    assert untrusted.token is None
    assert (untrusted.path != found.path) == (token is not None)


def test_the_deploy_key_is_for_the_project_s_own_host(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "1", "git@example.org:owner/shop.git", deploy_key="key", shares_credentials=True)
    here = submodules.Submodule("lib", "lib", "git@example.org:owner/lib.git", "1" * 40)
    assert mirror._mirror_of(here).deploy_key == "key"
    with pytest.raises(SubmoduleRefused, match="only to the project's own host"):
        mirror._mirror_of(dataclasses.replace(here, url="git@elsewhere.org:owner/lib.git"))
    with pytest.raises(SubmoduleRefused, match="do not come from outside"):
        dataclasses.replace(mirror, shares_credentials=False)._mirror_of(here)


def test_a_submodule_that_cannot_be_read_is_named(shop: Repository, library: Repository, open_mirror: Mirror) -> None:
    sha = add(shop, library, "lib", "../never-was")
    open_mirror.fetch(MAIN, sha, "1")
    with pytest.raises(CloneFailed, match=r"The submodule lib was not fetched: .*never-was"):
        open_mirror.workspace(sha, MAIN)


def test_a_private_submodule_beside_the_project_comes_with_its_token_and_not_for_strangers(
    shop: Repository, library: Repository, tmp_path: Path
) -> None:
    (shop.path / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../../library/.git\n')
    head = library.git("rev-parse", "HEAD")
    shop.git("update-index", "--add", "--cacheinfo", f"160000,{head},lib")
    (shop.path / "lib").mkdir()
    shop.git("add", ".gitmodules")
    shop.git("commit", "--quiet", "--message", "lib added")
    sha = shop.git("rev-parse", "HEAD")
    with lfs_host(tmp_path) as host:
        theirs = Mirror(
            tmp_path / "mirrors" / "9",
            f"{host.url}/shop/.git",
            token=host.token,
            allow_http=True,
            with_submodules=True,
        )
        ours = dataclasses.replace(theirs, shares_credentials=True)
        workspace = fetched(ours, sha, tmp_path / "out")
        assert (workspace / "lib" / "lib.py").read_text() == "answer = 42\n"
        assert theirs.workspace_at_hand(sha, MAIN) is None
        with pytest.raises(CloneFailed, match="without the project's credentials"):
            theirs.workspace(sha, MAIN)
