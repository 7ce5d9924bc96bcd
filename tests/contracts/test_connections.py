"""What every Connection promises, tried on each implementation against a real SSH server."""

import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from pipelines.deploys import credentials
from runners.hosts.ssh.client import Timeouts, connect, load_key
from runners.hosts.ssh.connection import (
    CommandCancelled,
    CommandFailed,
    CommandTimedOut,
    Connection,
    ConnectionLost,
    capture,
    check,
)
from tests.lab.sshd import Sshd, start_sshd

IMPLEMENTATIONS = ["ssh"]
QUICK = Timeouts(connect=3, greeting=3, auth=5, channel=3, keepalive=2, probe=3, grace=1)
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    key = credentials.generate("tests")
    server = start_sshd(tmp_path_factory.mktemp("host"), private_key=key.private, public_key=key.public)
    yield server
    server.stop()


@pytest.fixture(params=IMPLEMENTATIONS)
def connection(host: Sshd) -> Iterator[Connection]:
    opened = connect(host.address, host.host_keys, load_key(host.private_key), QUICK)
    yield opened
    opened.close()


def test_a_command_gives_its_output_and_its_exit_status(connection: Connection) -> None:
    result, text = capture(connection, "echo out; echo err >&2; exit 7", deadline_seconds=10)
    assert (result.exit_code, text) == (7, "out\nerr\n")
    assert not result.succeeded


def test_stdout_and_stderr_come_in_the_order_they_were_written(connection: Connection) -> None:
    lines = "for n in 1 2 3 4 5 6 7 8 9; do echo out $n; echo err $n >&2; done"
    _, text = capture(connection, lines, deadline_seconds=10)
    assert text.split("\n")[:-1] == [f"{name} {n}" for n in range(1, 10) for name in ("out", "err")]


def test_an_unterminated_last_line_arrives(connection: Connection) -> None:
    assert capture(connection, "printf tail", deadline_seconds=10)[1] == "tail"


def test_quotes_newlines_and_dollars_reach_the_command_unchanged(connection: Connection) -> None:
    _, text = capture(connection, "cat <<'X'\n'a' \"b\" $HOME `id` \\ é\nX\n", deadline_seconds=10)
    assert text == "'a' \"b\" $HOME `id` \\ é\n"


def test_input_reaches_the_command_even_if_it_prints_as_much(connection: Connection) -> None:
    data = b"0123456789abcdef" * (5 * MEGABYTE // 16)
    result, text = capture(connection, "cat", deadline_seconds=30, stdin=[data], cap_bytes=6 * MEGABYTE)
    assert result.succeeded
    assert text.encode() == data


def test_fifty_megabytes_on_both_streams_do_not_deadlock(connection: Connection) -> None:
    seen = [0]

    def count(data: bytes) -> None:
        seen[0] += len(data)

    command = f"head -c {50 * MEGABYTE} /dev/zero & head -c {50 * MEGABYTE} /dev/zero >&2; wait"
    result = connection.run(command, deadline_seconds=60, on_output=count)
    assert result.succeeded
    assert seen[0] == 100 * MEGABYTE


def test_output_beyond_the_cap_is_dropped_with_a_mark_and_the_command_goes_on(connection: Connection) -> None:
    pieces: list[bytes] = []
    result = connection.run(
        "head -c 300000 /dev/zero; exit 3",
        deadline_seconds=10,
        on_output=pieces.append,
        output_cap_bytes=1000,
    )
    output = b"".join(pieces)
    assert result.exit_code == 3
    assert output == b"\0" * 1000 + b"\n[slipway: output beyond 1000 bytes is dropped]\n"


def test_a_command_killed_by_a_signal_is_not_a_success(connection: Connection) -> None:
    assert connection.run("kill -9 $$", deadline_seconds=10).exit_code == 137


def test_a_background_process_that_keeps_the_output_open_does_not_hold_us(connection: Connection) -> None:
    began = time.monotonic()
    result, text = capture(connection, "sleep 20 & echo started $!", deadline_seconds=15)
    assert result.succeeded
    assert time.monotonic() - began < 5
    check(connection, f"kill {text.split()[1]}", "killing", deadline_seconds=5)


@pytest.mark.parametrize("ending", ["deadline", "silence", "cancel"])
def test_a_command_ended_by_us_is_absent_from_the_hosts_process_list(
    connection: Connection, host: Sshd, ending: str
) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    # A shell with a child in the same group, and one more in a group of its own.
    command = f": {needle}; set -m; sh -c 'sleep 300; : {needle}' & sh -c 'sleep 300; : {needle}'"
    began, seen = time.monotonic(), [0]

    def cancelled() -> bool:
        seen[0] = max(seen[0], len(host.processes(needle)))
        return ending == "cancel" and time.monotonic() - began > 0.7

    with pytest.raises(CommandCancelled if ending == "cancel" else CommandTimedOut):
        connection.run(
            command,
            deadline_seconds=0.7 if ending == "deadline" else 60,
            silence_seconds=0.7 if ending == "silence" else None,
            cancelled=cancelled,
        )
    assert seen[0] >= 3
    assert host.processes(needle) == []


def test_a_command_that_ignores_term_is_killed(connection: Connection, host: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    command = f"trap '' TERM; while :; do sleep 1; : {needle}; done"
    began = time.monotonic()
    with pytest.raises(CommandTimedOut, match=r"took longer than 0\.5 s"):
        connection.run(command, deadline_seconds=0.5)
    assert host.processes(needle) == []
    assert time.monotonic() - began < 8


def test_a_command_cancelled_before_it_starts_leaves_nothing(connection: Connection, host: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    with pytest.raises(CommandCancelled):
        connection.run(f"sleep 300; : {needle}", deadline_seconds=10, cancelled=lambda: True)
    assert host.processes(needle) == []


def test_output_resets_the_silence(connection: Connection) -> None:
    command = "for n in 1 2 3 4 5; do echo $n; sleep 0.4; done"
    assert connection.run(command, deadline_seconds=20, silence_seconds=1.5).succeeded


def test_many_commands_share_one_connection(connection: Connection) -> None:
    codes: list[int | None] = []

    def run(number: int) -> None:
        codes.append(connection.run(f"sleep 0.3; exit {number}", deadline_seconds=30).exit_code)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(code for code in codes if code is not None) == list(range(20))


def test_a_closed_connection_loses_the_outcome(connection: Connection, host: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    threading.Timer(0.5, connection.close).start()
    with pytest.raises(ConnectionLost, match=r"unknown|broke|answer"):
        connection.run(f"sleep 2; : {needle}", deadline_seconds=30)
    assert not connection.is_alive


def test_check_names_the_command_that_failed_and_its_last_words(connection: Connection) -> None:
    with pytest.raises(CommandFailed, match="the migration ended with status 4: no such table"):
        check(connection, "echo no such table; exit 4", "the migration", deadline_seconds=5)
