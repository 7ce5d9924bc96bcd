"""The door to paramiko, against real SSH servers that behave, and that do not."""

import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.deploys import credentials
from runners.hosts.ssh.client import WORKING_CHANNELS, connect, load_key, scan_host_key
from runners.hosts.ssh.connection import (
    Address,
    AuthenticationRefused,
    BadPrivateKey,
    CommandNotStarted,
    Connection,
    ConnectionLost,
    HostBusy,
    HostKey,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    StillRunning,
    capture,
)
from tests.lab.sshd import Sshd, free_port, silent_server
from tests.runners.hosts.conftest import PATIENT, QUICK, open_connection

HASTY = replace(PATIENT, channel=QUICK.channel, probe=QUICK.probe)


def test_a_closed_port_is_unreachable() -> None:
    address = Address("127.0.0.1", free_port("127.0.0.1"))
    with pytest.raises(HostUnreachable, match="refused"):
        scan_host_key(address, PATIENT)


def test_a_host_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(HostUnreachable, match="no connection"):
        scan_host_key(Address("no-such-host.invalid"), PATIENT)


def test_a_server_that_never_speaks_is_unreachable_within_the_timeout() -> None:
    began = time.monotonic()
    with silent_server() as address, pytest.raises(HostUnreachable, match="no SSH greeting"):
        scan_host_key(address, QUICK)
    assert time.monotonic() - began < QUICK.greeting + 30


def test_an_unknown_key_is_refused_before_we_sign_in(sshd: Sshd) -> None:
    with pytest.raises(HostKeyUnknown, match=sshd.host_key.fingerprint.replace("+", r"\+")):
        connect(sshd.address, (), load_key(sshd.private_key), PATIENT)
    assert "Accepted publickey" not in sshd.log()


def test_a_changed_host_key_stops_that_host(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd()
    pinned = server.host_keys
    connect(server.address, pinned, load_key(server.private_key), PATIENT).close()
    server.change_host_key()
    with pytest.raises(HostKeyChanged, match="CHANGED"):
        connect(server.address, pinned, load_key(server.private_key), PATIENT)


def test_a_pin_of_another_type_counts_as_changed(sshd: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "key")], check=True)
    other = HostKey.parse((tmp_path / "key.pub").read_text())
    with pytest.raises(HostKeyChanged):
        connect(sshd.address, (other,), load_key(sshd.private_key), PATIENT)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_host_with_several_keys_is_asked_for_the_pinned_one(
    own_sshd: Callable[..., Sshd], tmp_path: Path, kind: str
) -> None:
    key = tmp_path / "second"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
    server = own_sshd(f"HostKey {key}")
    pinned = HostKey.parse(key.with_suffix(".pub").read_text())
    connect(server.address, (pinned,), load_key(server.private_key), PATIENT).close()


def test_a_wrong_key_is_refused_and_the_public_line_is_shown(sshd: Sshd) -> None:
    stranger = credentials.generate("stranger")
    with pytest.raises(AuthenticationRefused) as refused:
        connect(sshd.address, sshd.host_keys, load_key(stranger.private), PATIENT)
    assert stranger.public.split()[1] in str(refused.value)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_stored_private_key_of_every_usual_kind_signs_in(sshd: Sshd, tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(tmp_path / "key")], check=True)
    with (sshd.directory / "authorized_keys").open("a") as authorized:
        authorized.write((tmp_path / "key.pub").read_text())
    key = load_key((tmp_path / "key").read_text())
    connect(sshd.address, sshd.host_keys, key, PATIENT).close()


@pytest.mark.parametrize("text", ["", "garbage", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END"])
def test_a_private_key_that_cannot_be_read_says_what_is_wanted(text: str) -> None:
    with pytest.raises(BadPrivateKey, match="OpenSSH or PEM"):
        load_key(text)


def test_an_encrypted_key_without_its_passphrase_says_so(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "pass", "-f", str(tmp_path / "key")], check=True)
    with pytest.raises(BadPrivateKey, match="passphrase"):
        load_key((tmp_path / "key").read_text())


def test_a_scan_shows_what_ssh_keygen_shows(sshd: Sshd) -> None:
    found = scan_host_key(sshd.address, PATIENT)
    listing = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(sshd.directory / "host_key.pub")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found == sshd.host_key
    assert listing.stdout.split()[1] == found.fingerprint


def test_a_pin_is_named_with_the_port_beside_22() -> None:
    assert Address("web", 22).pin_name == "web"
    assert Address("web", 2222).pin_name == "[web]:2222"


def test_a_server_frozen_in_mid_command_is_noticed(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd()
    connection = open_connection(server, HASTY)
    with pytest.raises(ConnectionLost, match="does not answer"):
        connection.run("echo begun; sleep 30", deadline_seconds=600, on_output=lambda data: server.freeze())


def test_a_cancel_on_a_frozen_server_does_not_claim_that_the_command_is_gone(
    own_sshd: Callable[..., Sshd],
) -> None:
    server = own_sshd()
    connection, frozen = open_connection(server, replace(HASTY, probe=600)), threading.Event()

    def freeze(data: bytes) -> None:
        server.freeze()
        frozen.set()

    with pytest.raises(StillRunning, match="may still run"):
        connection.run("echo begun; sleep 30", deadline_seconds=600, on_output=freeze, cancelled=frozen.is_set)


def test_a_server_frozen_before_a_command_is_noticed(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd()
    connection = open_connection(server, HASTY)
    server.freeze()
    with pytest.raises(ConnectionLost):
        connection.run("true", deadline_seconds=600)


def test_input_to_a_frozen_server_ends(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd()
    connection = open_connection(server, HASTY)

    def blocks() -> Iterator[bytes]:
        for number in range(512):
            if number == 32:
                server.freeze()
            yield bytes(128 * 1024)

    with pytest.raises(ConnectionLost):
        connection.run("cat > /dev/null", deadline_seconds=600, stdin=blocks())


def test_a_command_that_does_not_want_its_input_ends_all_the_same(connection: Connection) -> None:
    blocks = [bytes(128 * 1024)] * 512
    assert connection.run("exit 3", deadline_seconds=60, stdin=blocks).exit_code == 3


def test_a_dropped_connection_in_mid_command_is_an_unknown_outcome(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd()
    connection = open_connection(server)
    with pytest.raises(ConnectionLost):
        connection.run("echo begun; sleep 30", deadline_seconds=600, on_output=lambda data: server.drop_connections())


def test_a_session_whose_waiting_shell_is_killed_has_no_status(connection: Connection, sshd: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"

    def kill_the_outer_shell(data: bytes) -> None:
        for line in sshd.processes(needle):
            if "setsid is missing" in line:
                os.kill(int(line.split()[0]), signal.SIGKILL)

    result = connection.run(f"echo begun; sleep 2; : {needle}", deadline_seconds=120, on_output=kill_the_outer_shell)
    assert result.exit_code is None
    assert not result.succeeded


def test_eight_commands_at_once_leave_room_to_kill_them(sshd: Sshd, connection: Connection) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    begun: list[bytes] = []
    errors: list[Exception] = []

    def all_work() -> bool:
        return len(begun) == WORKING_CHANNELS

    def run() -> None:
        command = f"echo begun; sleep 300; : {needle}"
        try:
            connection.run(command, deadline_seconds=600, on_output=begun.append, cancelled=all_work)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error).__name__ for error in errors] == ["CommandCancelled"] * 8
    assert sshd.processes(needle) == []


def test_login_files_that_print_do_not_disturb_the_output(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd('ForceCommand echo Welcome; echo to >&2; eval "$SSH_ORIGINAL_COMMAND"')
    connection = open_connection(server)
    assert capture(connection, "echo mine", deadline_seconds=60)[1] == "mine\n"


def test_an_account_without_a_shell_shows_what_the_host_says(own_sshd: Callable[..., Sshd]) -> None:
    connection = open_connection(own_sshd("ForceCommand echo This account is not available; exit 1"))
    with pytest.raises(CommandNotStarted, match="This account is not available"):
        connection.run("true", deadline_seconds=60)


def test_a_host_without_setsid_says_so(own_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to("/bin/dash")
    connection = open_connection(own_sshd(path=f"{tmp_path}/bin"))
    with pytest.raises(CommandNotStarted, match="setsid is missing"):
        connection.run("true", deadline_seconds=60)


def test_too_many_starts_are_a_busy_host(own_sshd: Callable[..., Sshd]) -> None:
    server = own_sshd("MaxStartups 1:100:1", "LoginGraceTime 30")
    with socket.create_connection((server.address.host, server.address.port)) as first:
        first.recv(4)
        with pytest.raises(HostBusy):
            open_connection(server)
