"""Signing in with the keys of a real SSH agent."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.deploys import credentials
from runners.hosts.ssh import signing
from runners.hosts.ssh.client import connect
from runners.hosts.ssh.connection import AgentUnusable, AuthenticationRefused
from runners.hosts.ssh.fleet import on_all
from runners.hosts.ssh.signing import Agent
from tests.lab.ssh_agent import SshAgent, ssh_agent
from tests.lab.sshd import Sshd
from tests.runners.hosts.conftest import PATIENT


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshAgent]:
    with ssh_agent(tmp_path) as running:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(running.socket))
        yield running


def sign_in(sshd: Sshd, public_key: str = "") -> None:
    connect(sshd.address, sshd.host_keys, Agent(public_key), PATIENT).close()


def test_a_key_of_the_agent_signs_in_without_ever_leaving_it(sshd: Sshd, agent: SshAgent) -> None:
    agent.add(sshd.private_key)
    sign_in(sshd)


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_an_agents_key_of_every_usual_kind_signs_in(sshd: Sshd, agent: SshAgent, tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(tmp_path / "key")], check=True)
    with (sshd.directory / "authorized_keys").open("a") as authorized:
        authorized.write((tmp_path / "key.pub").read_text())
    agent.add((tmp_path / "key").read_text())
    sign_in(sshd)


def test_the_agents_keys_are_tried_in_turn(sshd: Sshd, agent: SshAgent) -> None:
    for number in range(3):
        agent.add(credentials.generate(f"other-{number}").private)
    agent.add(sshd.private_key)
    sign_in(sshd)


def test_only_the_named_key_is_used(sshd: Sshd, agent: SshAgent, key_pair: tuple[str, str]) -> None:
    stranger = credentials.generate("stranger")
    for number in range(7):  # more than sshd lets anybody try
        agent.add(credentials.generate(f"other-{number}").private)
    agent.add(sshd.private_key)
    agent.add(stranger.private)
    sign_in(sshd, key_pair[1])
    with pytest.raises(AuthenticationRefused, match="none of the SSH agent's keys is taken") as refused:
        sign_in(sshd, stranger.public)
    assert stranger.public.split()[1] in str(refused.value)
    assert key_pair[1].split()[1] not in str(refused.value)


def test_a_named_key_that_the_agent_does_not_hold_is_said_with_those_that_it_holds(sshd: Sshd, agent: SshAgent) -> None:
    agent.add(sshd.private_key)
    with pytest.raises(AgentUnusable, match="does not hold the key that the credential names; it holds SHA256:"):
        sign_in(sshd, credentials.generate("stranger").public)


def test_an_agent_without_keys_says_so(sshd: Sshd, agent: SshAgent) -> None:
    with pytest.raises(AgentUnusable, match="holds no key"):
        sign_in(sshd)


def test_a_worker_without_an_agent_says_what_is_missing(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(AgentUnusable, match="SSH_AUTH_SOCK"):
        sign_in(sshd)


def test_an_agent_that_is_gone_says_what_is_missing(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody"))
    with pytest.raises(AgentUnusable, match="nobody listens"):
        sign_in(sshd)


def test_an_agent_that_hangs_is_noticed(sshd: Sshd, agent: SshAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "AGENT_SECONDS", 0.5)
    agent.freeze()
    with pytest.raises(AgentUnusable, match="does not answer"):
        sign_in(sshd)


def test_many_threads_may_sign_with_one_agent(own_sshd: Callable[..., Sshd], agent: SshAgent) -> None:
    server = own_sshd("MaxStartups 100")
    agent.add(server.private_key)
    answers = on_all([threading.Event() for _ in range(24)], lambda _: sign_in(server), 8)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
