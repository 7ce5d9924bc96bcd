"""Real hosts for the tests of this package."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.deploys import credentials
from runners.hosts.ssh.client import Timeouts, connect, load_key
from runners.hosts.ssh.connection import Connection
from tests.lab.sshd import Sshd, running_fleet, start_sshd

PATIENT = Timeouts(connect=60, greeting=60, auth=60, channel=60, keepalive=5, probe=60, grace=1)
# For a host that falls silent: it is found out soon, also while the machine is too busy for a healthy one to answer.
QUICK = Timeouts(connect=3, greeting=3, auth=5, channel=3, keepalive=2, probe=3, grace=1)


@pytest.fixture(scope="session")
def key_pair() -> tuple[str, str]:
    made = credentials.generate("tests")
    return made.private, made.public


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, key_pair: tuple[str, str]) -> Iterator[Sshd]:
    """One server for all tests of a module that leave it as it was."""
    server = start_sshd(tmp_path_factory.mktemp("sshd"), private_key=key_pair[0], public_key=key_pair[1])
    yield server
    server.stop()


@pytest.fixture
def own_sshd(tmp_path: Path, key_pair: tuple[str, str]) -> Iterator[Callable[..., Sshd]]:
    """Starts servers that a test may freeze, stop or change."""
    servers: list[Sshd] = []

    def start(*options: str, **more: Any) -> Sshd:
        directory = tmp_path / f"sshd-{len(servers)}"
        private_key, public_key = key_pair
        server = start_sshd(directory, private_key=private_key, public_key=public_key, options=options, **more)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def hosts(tmp_path: Path, key_pair: tuple[str, str]) -> Iterator[list[Sshd]]:
    with running_fleet(tmp_path, 3, private_key=key_pair[0], public_key=key_pair[1]) as servers:
        yield servers


_opened: list[Connection] = []


def open_connection(server: Sshd, timeouts: Timeouts = PATIENT) -> Connection:
    """A connection that is closed after the test."""
    opened = connect(server.address, server.host_keys, load_key(server.private_key), timeouts)
    _opened.append(opened)
    return opened


@pytest.fixture(autouse=True)
def _close_what_was_opened() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


@pytest.fixture
def connection(sshd: Sshd) -> Connection:
    return open_connection(sshd)
