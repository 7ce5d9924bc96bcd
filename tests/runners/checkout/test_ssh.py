"""Clones over ssh, from real SSH servers that serve git and nothing else."""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipelines.projects import deploy_keys
from runners.checkout import CloneFailed, HostKeyChanged, HostKeyUnknown, Mirror
from tests.lab.sshd import Sshd, silent_server, start_sshd
from tests.runners.checkout.ground import MAIN, Repository, processes_with, unpack

KEY = deploy_keys.generate()
ONLY_GIT = 'ForceCommand git-shell -c "$SSH_ORIGINAL_COMMAND"'


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    directory = tmp_path_factory.mktemp("sshd")
    public = deploy_keys.public_line(KEY, "shop")
    server = start_sshd(directory, private_key=KEY, public_key=public, options=(ONLY_GIT,))
    yield server
    server.stop()


def pinned(server: Sshd) -> str:
    return f"{server.address.pin_name} {server.host_key}"


Opening = Callable[..., Mirror]


@pytest.fixture
def opened(shop: Repository, sshd: Sshd, tmp_path: Path) -> Opening:
    """A mirror of the shop over ssh, with what is asked for changed."""

    def make(**changes: Any) -> Mirror:
        url = f"ssh://root@{sshd.address.host}:{sshd.address.port}{shop.path}"
        usual = Mirror(tmp_path / "mirrors" / "1", url, deploy_key=KEY, host_keys=pinned(sshd))
        return dataclasses.replace(usual, **changes)

    return make


def test_a_deploy_key_opens_the_repository_and_its_workspace(shop: Repository, opened: Opening, tmp_path: Path) -> None:
    sha = shop.commit("hello", "over ssh\n")
    mirror = opened()
    assert mirror.refs() == {MAIN: sha}
    assert mirror.fetch(MAIN, sha, "1") == sha
    assert (unpack(mirror.workspace(sha, MAIN), tmp_path / "out") / "hello").read_text() == "over ssh\n"


def test_no_file_with_the_key_stays_and_nobody_sees_it(
    shop: Repository, opened: Opening, sshd: Sshd, tmp_path: Path
) -> None:
    sha = shop.commit()
    mirror = opened()
    mirror.fetch(MAIN, sha, "1")
    secret = KEY.splitlines()[2]
    assert secret not in repr(mirror)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert left == []
    assert not list((tmp_path / "mirrors").glob("ssh-*"))


def test_the_key_is_in_no_argument_and_in_a_file_for_us_alone(opened: Opening, tmp_path: Path) -> None:
    with silent_server() as address, ThreadPoolExecutor(1) as pool:
        mirror = opened(clone_url=f"ssh://git@{address.host}:{address.port}/shop.git", timeout_seconds=10)
        asked = pool.submit(mirror.refs)
        command = _awaited(lambda: processes_with(f"-p {address.port}"))
        files = list((tmp_path / "mirrors").glob("ssh-*/*"))
        with pytest.raises(CloneFailed, match="did not answer within 10 seconds"):
            asked.result()
    assert command
    assert KEY.splitlines()[2] not in " ".join(command)
    assert {path.name for path in files} == {"key", "known_hosts", "config"}
    assert not list((tmp_path / "mirrors").glob("ssh-*"))


def test_a_host_without_a_pinned_key_is_refused_with_what_it_shows(
    shop: Repository, opened: Opening, sshd: Sshd
) -> None:
    shop.commit()
    with pytest.raises(HostKeyUnknown) as caught:
        opened(host_keys="").refs()
    told = str(caught.value)
    assert sshd.host_key.fingerprint in told
    assert pinned(sshd) in told
    assert "Compare" in told
    other = pinned(sshd).replace(sshd.address.pin_name, "example.org")
    with pytest.raises(HostKeyUnknown):
        opened(host_keys=other).refs()


def test_the_line_of_the_refusal_is_the_one_that_opens(shop: Repository, opened: Opening) -> None:
    sha = shop.commit()
    with pytest.raises(HostKeyUnknown) as caught:
        opened(host_keys="").refs()
    line = str(caught.value).rpartition("code host keys: ")[2]
    assert opened(host_keys=line).refs() == {MAIN: sha}


def test_a_changed_host_key_is_refused_and_told_apart(shop: Repository, opened: Opening, sshd: Sshd) -> None:
    shop.commit()
    before = pinned(sshd)
    old = sshd.host_key.fingerprint
    sshd.change_host_key()
    with pytest.raises(HostKeyChanged) as caught:
        opened(host_keys=before).refs()
    assert old in str(caught.value)
    assert sshd.host_key.fingerprint in str(caught.value)
    assert "somebody is in between" in str(caught.value)


def test_a_key_that_the_host_does_not_take_is_said_to_be_the_deploy_key(shop: Repository, opened: Opening) -> None:
    shop.commit()
    with pytest.raises(CloneFailed, match=r"Permission denied.*deploy key"):
        opened(deploy_key=deploy_keys.generate()).refs()


def test_without_a_deploy_key_nothing_is_tried(opened: Opening) -> None:
    with pytest.raises(CloneFailed, match="have one made"):
        opened(deploy_key="").refs()


def test_the_configuration_and_agent_of_the_machine_have_no_say(
    shop: Repository, opened: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    wrapper = tmp_path / "ssh-wrapper"
    wrapper.write_text(f"#!/bin/sh\ntouch {canary}\nexit 1\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(wrapper))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(wrapper))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    sha = _committed_without(shop, monkeypatch)
    assert opened().refs() == {MAIN: sha}
    assert not canary.exists()


def test_keys_that_killed_processes_left_go_with_the_next_clone(
    shop: Repository, opened: Opening, tmp_path: Path
) -> None:
    shop.commit()
    left = tmp_path / "mirrors" / "ssh-left"
    left.mkdir(parents=True)
    (left / "key").write_text(KEY)
    os.utime(left, (0, 0))
    opened().refs()
    assert not left.exists()


def _committed_without(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as before:
        for name in ("GIT_SSH", "GIT_SSH_COMMAND"):
            before.delenv(name)
        return shop.commit()


def _awaited(look: Callable[[], list[str]]) -> list[str]:
    ends = time.monotonic() + 60
    while not (found := look()) and time.monotonic() < ends:
        time.sleep(0.01)
    return found
