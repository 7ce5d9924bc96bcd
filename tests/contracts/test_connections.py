"""What every Connection promises, tried on each implementation against a real SSH server."""

import threading
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
PATIENT = Timeouts(connect=60, greeting=60, auth=60, channel=60, keepalive=5, probe=60, grace=1)
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    key = credentials.generate("tests")
    server = start_sshd(tmp_path_factory.mktemp("host"), private_key=key.private, public_key=key.public)
    yield server
    server.stop()


@pytest.fixture(params=IMPLEMENTATIONS)
def connection(host: Sshd) -> Iterator[Connection]:
    opened = connect(host.address, host.host_keys, load_key(host.private_key), PATIENT)
    yield opened
    opened.close()


def test_a_command_gives_its_output_and_its_exit_status(connection: Connection) -> None:
    result, text = capture(connection, "echo out; echo err >&2; exit 7", deadline_seconds=60)
    assert (result.exit_code, text) == (7, "out\nerr\n")
    assert not result.succeeded


def test_stdout_and_stderr_come_in_the_order_they_were_written(connection: Connection) -> None:
    lines = "for n in 1 2 3 4 5 6 7 8 9; do echo out $n; echo err $n >&2; done"
    _, text = capture(connection, lines, deadline_seconds=60)
    assert text.split("\n")[:-1] == [f"{name} {n}" for n in range(1, 10) for name in ("out", "err")]


def test_an_unterminated_last_line_arrives(connection: Connection) -> None:
    assert capture(connection, "printf tail", deadline_seconds=60)[1] == "tail"


def test_quotes_newlines_and_dollars_reach_the_command_unchanged(connection: Connection) -> None:
    _, text = capture(connection, "cat <<'X'\n'a' \"b\" $HOME `id` \\ é\nX\n", deadline_seconds=60)
    assert text == "'a' \"b\" $HOME `id` \\ é\n"


def test_input_reaches_the_command_even_if_it_prints_as_much(connection: Connection) -> None:
    data = b"0123456789abcdef" * (5 * MEGABYTE // 16)
    result, text = capture(connection, "cat", deadline_seconds=120, stdin=[data], cap_bytes=6 * MEGABYTE)
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
        deadline_seconds=60,
        on_output=pieces.append,
        output_cap_bytes=1000,
    )
    output = b"".join(pieces)
    assert result.exit_code == 3
    assert output == b"\0" * 1000 + b"\n[slipway: output beyond 1000 bytes is dropped]\n"


def test_a_command_killed_by_a_signal_is_not_a_success(connection: Connection) -> None:
    assert connection.run("kill -9 $$", deadline_seconds=60).exit_code == 137


def test_a_background_process_that_keeps_the_output_open_does_not_hold_us(connection: Connection) -> None:
    result, text = capture(connection, "sleep 600 & echo started $!", deadline_seconds=300)
    assert result.succeeded
    check(connection, f"kill {text.split()[1]}", "killing", deadline_seconds=60)  # which fails unless it lives


@pytest.mark.parametrize("ending", ["deadline", "silence", "cancel"])
def test_a_command_ended_by_us_is_absent_from_the_hosts_process_list(
    connection: Connection, host: Sshd, ending: str
) -> None:
    for seconds in (0.7, 5, 30):  # on a busy machine a command may not have begun when its time is over
        if _begun_and_ended(connection, host, ending, seconds) >= 3:
            return
    raise AssertionError("it never came to run before it was ended")


def _begun_and_ended(connection: Connection, host: Sshd, ending: str, seconds: float) -> int:
    """Of how many processes the command was before it was ended."""
    needle = f"needle-{uuid.uuid4().hex}"
    # A shell with a child in the same group, and one more in a group of its own.
    command = f": {needle}; set -m; sh -c 'sleep 300; : {needle}' & sh -c 'sleep 300; : {needle}'"
    seen = [0]

    def cancelled() -> bool:
        seen[0] = max(seen[0], len(host.processes(needle)))
        return ending == "cancel" and seen[0] >= 3

    with pytest.raises(CommandCancelled if ending == "cancel" else CommandTimedOut):
        connection.run(
            command,
            deadline_seconds=seconds if ending == "deadline" else 120,
            silence_seconds=seconds if ending == "silence" else None,
            cancelled=cancelled,
        )
    assert host.processes(needle) == []
    return seen[0]


def test_a_command_that_ignores_term_is_killed(connection: Connection, host: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    begun = threading.Event()
    command = f"trap '' TERM; echo begun; while :; do sleep 1; : {needle}; done"
    with pytest.raises(CommandCancelled):
        connection.run(command, deadline_seconds=120, on_output=lambda data: begun.set(), cancelled=begun.is_set)
    assert host.processes(needle) == []


def test_a_command_cancelled_before_it_starts_leaves_nothing(connection: Connection, host: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    with pytest.raises(CommandCancelled):
        connection.run(f"sleep 300; : {needle}", deadline_seconds=60, cancelled=lambda: True)
    assert host.processes(needle) == []


def test_output_resets_the_silence(connection: Connection) -> None:
    def told_again_and_again(slowness: float) -> bool:
        command = f"for n in 1 2 3 4 5; do echo $n; sleep {0.4 * slowness}; done"
        try:
            return connection.run(command, deadline_seconds=600, silence_seconds=1.5 * slowness).succeeded
        except CommandTimedOut:
            return False

    assert any(told_again_and_again(slowness) for slowness in (1, 4, 16))  # whichever a busy machine can keep to


def test_many_commands_share_one_connection(connection: Connection) -> None:
    codes: list[int | None] = []

    def run(number: int) -> None:
        codes.append(connection.run(f"sleep 0.3; exit {number}", deadline_seconds=120).exit_code)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(code for code in codes if code is not None) == list(range(20))


def test_a_closed_connection_loses_the_outcome(connection: Connection, host: Sshd) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    begun = threading.Event()

    def close() -> None:
        begun.wait(60)
        connection.close()

    threading.Thread(target=close).start()
    with pytest.raises(ConnectionLost, match=r"unknown|broke|answer"):
        connection.run(f"echo begun; sleep 2; : {needle}", deadline_seconds=120, on_output=lambda data: begun.set())
    assert not connection.is_alive


def test_check_names_the_command_that_failed_and_its_last_words(connection: Connection) -> None:
    with pytest.raises(CommandFailed, match="the migration ended with status 4: no such table"):
        check(connection, "echo no such table; exit 4", "the migration", deadline_seconds=60)
