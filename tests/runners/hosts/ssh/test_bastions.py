"""Connections to hosts behind a bastion: real SSH servers on both sides of it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.deploys import credentials
from runners.hosts.ssh.bastions import Bastion, BastionAddress
from runners.hosts.ssh.client import connect, load_key, scan_host_key
from runners.hosts.ssh.connecting import Timeouts
from runners.hosts.ssh.connection import (
    Address,
    AuthenticationRefused,
    Connection,
    ConnectionLost,
    HostKey,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    capture,
)
from runners.hosts.ssh.fleet import Fleet, Target, on_all
from tests.lab.sshd import Sshd, free_port, running_fleet, silent_server
from tests.runners.hosts.conftest import PATIENT, QUICK

Start = Callable[..., Sshd]


@pytest.fixture
def enter() -> Iterator[Callable[..., Bastion]]:
    opened: list[Bastion] = []

    def start(server: Sshd, keys: tuple[HostKey, ...] | None = None, **changes: object) -> Bastion:
        at = BastionAddress(server.address.host, server.address.port, server.address.user)
        identity = load_key(str(changes.get("private_key", server.private_key)))
        said = changes.get("said", [])
        assert isinstance(said, list)
        known = server.host_keys if keys is None else keys
        timeouts = changes.get("timeouts", PATIENT)
        assert isinstance(timeouts, Timeouts)
        opened.append(Bastion(at, lambda: known, lambda: identity, said.append, timeouts))
        return opened[-1]

    yield start
    for bastion in opened:
        bastion.close()


def through(bastion: Bastion, server: Sshd, timeouts: Timeouts = PATIENT) -> Connection:
    return connect(server.address, server.host_keys, load_key(server.private_key), timeouts, bastion.reach)


def test_hosts_are_reached_through_one_connection_to_the_bastion(
    own_sshd: Start, enter: Callable[..., Bastion], tmp_path: Path, key_pair: tuple[str, str]
) -> None:
    gate = own_sshd()
    with running_fleet(tmp_path / "behind", 5, private_key=key_pair[0], public_key=key_pair[1]) as servers:
        bastion = enter(gate)
        with Fleet(lambda target: connect_to(bastion, servers, target)) as fleet:
            targets = [Target(server.address, server.host_keys, bastion.address) for server in servers]

            def ask(target: Target) -> str:
                line = "set -- $SSH_CONNECTION; echo $3"
                return capture(fleet.connect(target), line, deadline_seconds=60)[1].strip()

            assert on_all(targets, ask, 5) == [server.address.host for server in servers]
            assert gate.log().count("Accepted publickey") == 1


def connect_to(bastion: Bastion, servers: list[Sshd], target: Target) -> Connection:
    key = load_key(servers[0].private_key)
    return connect(target.address, target.host_keys, key, PATIENT, bastion.reach)


def test_the_hosts_own_key_is_read_through_the_bastion(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd(), own_sshd()
    assert scan_host_key(server.address, PATIENT, enter(gate).reach) == server.host_key


def test_a_bastion_whose_key_is_not_pinned_is_refused_by_its_name(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    gate, server = own_sshd(), own_sshd()
    with pytest.raises(HostKeyUnknown, match=r"^the bastion .*no key is pinned"):
        through(enter(gate, ()), server)
    assert "Accepted publickey" not in gate.log()


def test_a_changed_key_of_the_bastion_is_told_as_its_own(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd(), own_sshd()
    pinned = gate.host_keys
    gate.change_host_key()
    with pytest.raises(HostKeyChanged, match=r"^the bastion .*CHANGED"):
        through(enter(gate, pinned), server)
    assert "Accepted publickey" not in gate.log()


def test_a_changed_key_of_a_host_behind_it_is_told_as_the_hosts(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd(), own_sshd()
    pinned = server.host_keys
    server.change_host_key()
    with pytest.raises(HostKeyChanged, match=f"^{server.address}.*CHANGED") as changed:
        connect(server.address, pinned, load_key(server.private_key), PATIENT, enter(gate).reach)
    assert "bastion" not in str(changed.value)


def test_a_bastion_that_does_not_take_our_key_is_named(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd(), own_sshd()
    stranger = credentials.generate("stranger").private
    with pytest.raises(AuthenticationRefused, match=r"^the bastion"):
        through(enter(gate, private_key=stranger), server)


def test_a_closed_port_behind_the_bastion_is_that_hosts_fault(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate = own_sshd()
    nobody = Address("127.0.0.1", free_port("127.0.0.1"))
    with pytest.raises(HostUnreachable, match=f"^{nobody}: the bastion .* cannot connect to it"):
        scan_host_key(nobody, PATIENT, enter(gate).reach)


def test_a_bastion_that_forbids_forwarding_says_how_to_allow_it(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd("AllowTcpForwarding no"), own_sshd()
    with pytest.raises(HostUnreachable, match="AllowTcpForwarding"):
        through(enter(gate), server)


def test_a_silent_host_behind_the_bastion_is_noticed_by_our_own_timeouts(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    gate, server = own_sshd(), own_sshd()
    bastion, began = enter(gate), time.monotonic()
    with silent_server() as address, pytest.raises(HostUnreachable, match="no SSH greeting"):
        scan_host_key(address, QUICK, bastion.reach)
    assert time.monotonic() - began < QUICK.greeting + 30
    through(bastion, server).close()  # and the bastion goes on


def test_a_host_that_hangs_in_mid_command_behind_the_bastion_is_noticed(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    gate, server, healthy = own_sshd(), own_sshd(), own_sshd()
    bastion = enter(gate)
    hasty = replace(PATIENT, channel=QUICK.channel, probe=QUICK.probe)
    connection, other = through(bastion, server, hasty), through(bastion, healthy)
    with pytest.raises(ConnectionLost, match="does not answer"):
        connection.run("echo begun; sleep 30", deadline_seconds=600, on_output=lambda data: server.freeze())
    assert other.run("true", deadline_seconds=60).succeeded


def test_a_host_that_drops_packets_is_told_apart_from_a_bastion_that_hangs(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    bastion = enter(own_sshd(), timeouts=replace(PATIENT, connect=QUICK.connect))
    bastion.enter()
    with full_backlog() as deaf, pytest.raises(HostUnreachable, match="gets no connection to it within"):
        scan_host_key(deaf, PATIENT, bastion.reach)


def test_a_broken_bastion_is_entered_again_once_for_all_and_said(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    gate, server = own_sshd(), own_sshd()
    said: list[str] = []
    bastion = enter(gate, said=said)
    through(bastion, server)
    gate.drop_connections()
    answers = on_all([server] * 6, lambda one: through(bastion, one), 6)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert said == [f"the connection to {bastion.address} broke; opening it again"]
    assert gate.log().count("Accepted publickey") == 2


def test_a_frozen_bastion_is_noticed_and_does_not_look_like_a_dead_host(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    gate, server = own_sshd(), own_sshd()
    bastion = enter(gate, timeouts=QUICK)
    through(bastion, server)
    gate.freeze()
    began = time.monotonic()
    with pytest.raises(HostUnreachable, match=r"^the bastion"):
        through(bastion, server)
    assert time.monotonic() - began < QUICK.connect + QUICK.channel + QUICK.greeting + 40


def test_a_hundred_hosts_do_not_wait_one_by_one_for_a_dead_bastion(
    own_sshd: Start, enter: Callable[..., Bastion]
) -> None:
    gate, server = own_sshd(), own_sshd()
    gate.freeze()
    bastion, began = enter(gate, timeouts=QUICK), time.monotonic()
    answers = on_all([server] * 100, lambda one: through(bastion, one), 8)
    assert all(isinstance(answer, HostUnreachable) for answer in answers)
    assert time.monotonic() - began < 100 / 4 * QUICK.greeting


def test_at_most_eight_connections_start_through_one_bastion(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd(), own_sshd("MaxStartups 10:30:100")
    bastion = enter(gate)
    running, most, guard = [0], [0], threading.Lock()

    def start(target: Target) -> Connection:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            return through(bastion, server)
        finally:
            with guard:
                running[0] -= 1

    targets = [Target(Address(f"10.0.0.{number}", 22), server.host_keys, bastion.address) for number in range(1, 41)]
    with Fleet(start) as fleet:
        answers = on_all(targets, fleet.connect, 40)
        assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert 2 <= most[0] <= 8


def test_closing_the_fleet_closes_the_bastion(own_sshd: Start, enter: Callable[..., Bastion]) -> None:
    gate, server = own_sshd(), own_sshd()
    bastion = enter(gate)
    with Fleet(lambda target: through(bastion, server), on_close=bastion.close) as fleet:
        connection = fleet.connect(Target(server.address, server.host_keys, bastion.address))
    assert not connection.is_alive
    with pytest.raises(HostUnreachable, match="being closed"):
        bastion.reach(server.address)


@contextlib.contextmanager
def full_backlog() -> Iterator[Address]:
    """A port whose queue of new connections is full, so that another one gets no answer at all."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield Address("127.0.0.1", server.getsockname()[1])
