"""Connections to many hosts at once."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.hosts.ssh.client import connect, load_key
from runners.hosts.ssh.connection import Connection, HostBusy, HostKeyChanged, capture
from runners.hosts.ssh.fleet import Fleet, Target, on_all
from tests.lab.sshd import Sshd, dropping_server, running_fleet
from tests.runners.hosts.conftest import PATIENT


def opener(server: Sshd) -> Callable[[Target], Connection]:
    key = load_key(server.private_key)
    return lambda target: connect(target.address, target.host_keys, key, PATIENT)


def test_every_host_answers_with_its_own_name(tmp_path: Path, key_pair: tuple[str, str]) -> None:
    with running_fleet(tmp_path, 5, private_key=key_pair[0], public_key=key_pair[1]) as servers:
        targets = [Target(server.address, server.host_keys) for server in servers]
        with Fleet(opener(servers[0])) as fleet:

            def ask(target: Target) -> str:
                line = "set -- $SSH_CONNECTION; echo $3"
                return capture(fleet.connect(target), line, deadline_seconds=60)[1].strip()

            assert on_all(targets, ask, 5) == [server.address.host for server in servers]


def test_one_bad_host_does_not_stop_the_others(tmp_path: Path, key_pair: tuple[str, str]) -> None:
    with running_fleet(tmp_path, 3, private_key=key_pair[0], public_key=key_pair[1]) as servers:
        keys = [servers[0].host_keys, servers[0].host_keys, servers[2].host_keys]
        targets = [Target(server.address, key) for server, key in zip(servers, keys, strict=True)]
        with Fleet(opener(servers[0])) as fleet:
            answers = on_all(targets, fleet.connect, 2)
    assert isinstance(answers[1], HostKeyChanged)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]


def test_a_connection_is_kept_and_a_broken_one_is_replaced(sshd: Sshd) -> None:
    target = Target(sshd.address, sshd.host_keys)
    with Fleet(opener(sshd)) as fleet:
        first = fleet.connect(target)
        assert fleet.connect(target) is first
        first.close()
        assert fleet.connect(target).run("true", deadline_seconds=60).succeeded


def test_a_start_that_is_dropped_is_tried_again(sshd: Sshd) -> None:
    with dropping_server(sshd.address, drops=2) as address, Fleet(opener(sshd), pause_seconds=0.05) as fleet:
        connection = fleet.connect(Target(address, sshd.host_keys))
        assert connection.run("true", deadline_seconds=60).succeeded


def test_a_host_that_drops_every_start_is_given_up(sshd: Sshd) -> None:
    with (
        dropping_server(sshd.address, drops=100) as address,
        Fleet(opener(sshd), attempts=3, pause_seconds=0.05) as fleet,
        pytest.raises(HostBusy),
    ):
        fleet.connect(Target(address, sshd.host_keys))


def test_only_so_many_connections_start_at_once(sshd: Sshd) -> None:
    running, most, guard = [0], [0], threading.Lock()
    three = threading.Barrier(3)

    def slow(target: Target) -> Connection:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        three.wait(60)
        time.sleep(0.05)  # for a fourth
        with guard:
            running[0] -= 1
        return opener(sshd)(target)

    with Fleet(slow, simultaneous_starts=3) as fleet:
        targets = [Target(sshd.address.__class__("127.0.0.1", sshd.address.port, f"u{n}"), ()) for n in range(12)]
        on_all(targets, fleet.connect, 12)
    assert most[0] == 3


def test_sixty_starts_against_one_server_all_come_through(
    own_sshd: Callable[..., Sshd],
) -> None:
    server = own_sshd("MaxStartups 10:30:100")
    target = Target(server.address, server.host_keys)
    open_one = opener(server)
    with Fleet(open_one) as fleet:
        answers = on_all([target] * 60, lambda one: fleet._start(one, lambda: False), 60)
        for answer in answers:
            assert not isinstance(answer, Exception), answer
            answer.close()


def test_nothing_to_do_is_no_answer() -> None:
    assert on_all([], str, 4) == []
