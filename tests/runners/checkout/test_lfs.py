"""Git LFS: files in the place of their pointers, from where they may come, and only as the commit promised."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.projects import deploy_keys
from runners.checkout import CloneFailed, LfsRefused, Mirror, lfs, pointers
from runners.checkout.downloads import Server, Unreachable
from tests.lab.lfs import LfsHost, lfs_host
from tests.lab.sshd import start_sshd
from tests.runners.checkout.ground import MAIN, Repository, git_in, unpack

BIG = b"\0\1\2 not a text\n" * 5000
ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LfsHost]:
    with lfs_host(tmp_path) as running:
        yield running


@pytest.fixture
def mirror(host: LfsHost, tmp_path: Path) -> Mirror:
    """Of the repository `shop` over HTTP, whose project asked for large files."""
    url = f"{host.url}/shop/.git"
    return Mirror(tmp_path / "mirrors" / "1", url, token=host.token, allow_http=True, with_lfs=True)


def commit_pointer(shop: Repository, pointer: str, name: str = "big.bin") -> str:
    (shop.path / ".gitattributes").write_text(ATTRIBUTES)
    return shop.commit(name, pointer)


def made(mirror: Mirror, sha: str, into: Path) -> Path:
    mirror.fetch(MAIN, sha, "1")
    return unpack(mirror.workspace(sha, MAIN), into)


def test_a_pointer_is_replaced_by_its_file_and_git_sees_no_change(
    shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path
) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    workspace = made(mirror, sha, tmp_path / "out")
    assert (workspace / "big.bin").read_bytes() == BIG
    assert git_in(workspace, "status", "--porcelain") == ""
    assert (
        git_in(workspace, "describe", "--always", "--dirty").strip()
        == git_in(workspace, "describe", "--always").strip()
    )


def test_a_program_stays_one(shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path) -> None:
    commit_pointer(shop, host.add(BIG))
    (shop.path / "big.bin").chmod(0o755)
    workspace = made(mirror, shop.commit("other"), tmp_path / "out")
    assert os.access(workspace / "big.bin", os.X_OK)


def test_a_file_is_downloaded_once(shop: Repository, host: LfsHost, mirror: Mirror) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    mirror.fetch(MAIN, sha, "1")
    mirror.workspace(sha, MAIN)
    mirror.workspace(sha, "refs/heads/other")
    assert sum("/objects/" in one.path and one.method == "GET" for one in host.asked) == 1


def test_a_project_that_did_not_ask_gets_the_pointer(
    shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path
) -> None:
    pointer = host.add(BIG)
    sha = commit_pointer(shop, pointer)
    workspace = made(dataclasses.replace(mirror, with_lfs=False), sha, tmp_path / "out")
    assert (workspace / "big.bin").read_text() == pointer


def test_only_what_the_attributes_name_and_reads_as_a_pointer_is_one(
    shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path
) -> None:
    pointer = host.add(BIG)
    commit_pointer(shop, pointer, "other.txt")
    (shop.path / "link.bin").symlink_to("big.bin")
    sha = commit_pointer(shop, "not a pointer\n", "plain.bin")
    workspace = made(mirror, sha, tmp_path / "out")
    assert (workspace / "other.txt").read_text() == pointer
    assert (workspace / "plain.bin").read_text() == "not a pointer\n"
    assert (workspace / "link.bin").is_symlink()


def test_a_file_that_was_never_pushed_is_named(shop: Repository, host: LfsHost, mirror: Mirror) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    host.files.clear()
    mirror.fetch(MAIN, sha, "1")
    with pytest.raises(LfsRefused, match=r"does not have the Git LFS file .*push it"):
        mirror.workspace(sha, MAIN)


@pytest.mark.parametrize("instead", [b"x" * len(BIG), BIG + b"more", BIG[:-1], b""])
def test_other_content_than_the_commit_promised_is_refused_and_not_kept(
    shop: Repository, host: LfsHost, mirror: Mirror, instead: bytes
) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    host.files[hashlib.sha256(BIG).hexdigest()] = instead
    mirror.fetch(MAIN, sha, "1")
    with pytest.raises(LfsRefused, match="another content"):
        mirror.workspace(sha, MAIN)
    assert list(mirror.path.with_name("1.lfs").iterdir()) == []


def test_files_come_from_another_host_only_if_the_project_names_it(
    shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path
) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    mirror.fetch(MAIN, sha, "1")
    with lfs_host(tmp_path) as elsewhere:
        host.store = elsewhere.url
        netloc = elsewhere.url.removeprefix("http://")
        with pytest.raises(LfsRefused, match=f"{netloc}.*add the host"):
            mirror.workspace(sha, MAIN)
        assert elsewhere.asked == []
        with pytest.raises(LfsRefused, match="answered 401"):
            dataclasses.replace(mirror, lfs_hosts=(netloc,)).workspace(sha, MAIN)
        assert [one.headers.get("Authorization") for one in elsewhere.asked] == [None]


def test_a_download_sent_on_to_another_host_is_not_followed(
    shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path
) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    mirror.fetch(MAIN, sha, "1")
    with lfs_host(tmp_path) as elsewhere:
        host.moved[hashlib.sha256(BIG).hexdigest()] = f"{elsewhere.url}/objects/x"
        with pytest.raises(LfsRefused, match="add the host"):
            mirror.workspace(sha, MAIN)
        assert elsewhere.asked == []


@pytest.mark.parametrize("url", ["http://host/x", "file:///etc/passwd", "ftp://host/x", "//host/x", "x", "https://[/"])
def test_only_encrypted_addresses_are_asked(url: str) -> None:
    with pytest.raises(Unreachable):
        Server("host", frozenset({""})).check(url)


def test_a_file_larger_than_a_stage_takes_is_refused_before_anything_is_asked(
    shop: Repository, host: LfsHost, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "MAX_OBJECT_BYTES", 100)
    sha = commit_pointer(shop, host.add(BIG))
    mirror.fetch(MAIN, sha, "1")
    with pytest.raises(LfsRefused, match=r"big\.bin has 75,000 bytes"):
        mirror.workspace(sha, MAIN)
    assert not any("lfs" in one.path for one in host.asked)


def test_the_token_is_in_no_error(shop: Repository, host: LfsHost, mirror: Mirror) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    mirror.fetch(MAIN, sha, "1")
    host.token = "another"
    with pytest.raises(CloneFailed, match="answered 401") as caught:
        mirror.workspace(sha, MAIN)
    assert "lfs-t0ken" not in str(caught.value)


def test_lfsconfig_of_a_commit_has_no_say(shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path) -> None:
    (shop.path / ".lfsconfig").write_text('[lfs]\n\turl = "http://127.0.0.1:1/evil"\n')
    workspace = made(mirror, commit_pointer(shop, host.add(BIG)), tmp_path / "out")
    assert (workspace / "big.bin").read_bytes() == BIG


def test_a_repository_of_this_machine_gives_what_git_lfs_keeps_in_it(
    shop: Repository, host: LfsHost, tmp_path: Path
) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    oid = hashlib.sha256(BIG).hexdigest()
    place = shop.path / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4]
    place.mkdir(parents=True)
    (place / oid).write_bytes(BIG)
    local = Mirror(tmp_path / "mirrors" / "2", str(shop.path), with_lfs=True)
    assert (made(local, sha, tmp_path / "out") / "big.bin").read_bytes() == BIG


def test_over_ssh_the_host_says_where_its_files_are(shop: Repository, host: LfsHost, tmp_path: Path) -> None:
    sha = commit_pointer(shop, host.add(BIG))
    key = deploy_keys.generate()
    programs = tmp_path / "bin"
    programs.mkdir()
    telling = programs / "git-lfs-authenticate"
    header = f'{{"Authorization": "{host._basic}"}}'
    told = f'{{"href": "{host.url}/shop.git/info/lfs", "header": {header}}}'
    telling.write_text(f"#!/bin/sh\n[ \"$2\" = download ] && echo '{told}'\n")
    telling.chmod(0o755)
    public = deploy_keys.public_line(key, "shop")
    server = start_sshd(tmp_path / "sshd", private_key=key, public_key=public, path=f"{programs}:/usr/bin:/bin")
    try:
        url = f"ssh://root@{server.address.host}:{server.address.port}{shop.path}"
        known = f"{server.address.pin_name} {server.host_key}"
        over_ssh = Mirror(
            tmp_path / "mirrors" / "3", url, deploy_key=key, host_keys=known, allow_http=True, with_lfs=True
        )
        assert (made(over_ssh, sha, tmp_path / "out") / "big.bin").read_bytes() == BIG
    finally:
        server.stop()


def test_large_files_that_nobody_needs_go_after_a_week(
    shop: Repository, host: LfsHost, mirror: Mirror, tmp_path: Path
) -> None:
    made(mirror, commit_pointer(shop, host.add(BIG)), tmp_path / "out")
    folder = mirror.path.with_name("1.lfs")
    old = folder / ("0" * 64)
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    lfs.Store(folder, mirror.access).bring([])
    assert [path.name for path in folder.iterdir()] == [hashlib.sha256(BIG).hexdigest()]
