"""The one sh of a connection, in which our own scripts run one after the other."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.deploys import credentials
from runners.hosts.ssh.client import connect, load_key
from runners.hosts.ssh.connection import CommandTimedOut, Connection, ConnectionLost, capture
from tests.lab.patience import until
from tests.lab.sshd import Sshd, start_sshd
from tests.runners.hosts.conftest import PATIENT

WHOSE = 'read -r line < /proc/$PPID/stat; set -- $line; echo "$1"'


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    key = credentials.generate("tests")
    server = start_sshd(tmp_path_factory.mktemp("host"), private_key=key.private, public_key=key.public)
    yield server
    server.stop()


@pytest.fixture
def connection(host: Sshd) -> Iterator[Connection]:
    opened = connect(host.address, host.host_keys, load_key(host.private_key), PATIENT)
    yield opened
    opened.close()


def run(connection: Connection, script: str, stdin: bytes = b"", seconds: float = 120) -> tuple[int | None, str]:
    given = [stdin] if stdin else []
    result, text = capture(connection, script, deadline_seconds=seconds, stdin=given, in_shell=True)
    return result.exit_code, text


def test_scripts_share_a_shell_and_nothing_else(connection: Connection) -> None:
    first = run(connection, f"here=there; cd /; umask 077; {WHOSE}")
    assert first == run(connection, WHOSE)
    assert run(connection, 'echo "${here-}$(umask)"; exit 7') == (7, "0022\n")


def test_output_comes_whole_in_order_and_with_nothing_added(connection: Connection) -> None:
    assert run(connection, "printf 'one\\n\\n'; printf two >&2") == (0, "one\n\ntwo")
    assert run(connection, ":") == (0, "")
    assert run(connection, "printf '\\n\\n'; cat") == (0, "\n\n")
    code, text = run(connection, "head -c 3000000 /dev/zero | tr '\\0' '\\n'")
    assert (code, len(text)) == (0, 1024 * 1024 + len("\n[slipway: output beyond 1048576 bytes is dropped]\n"))


def test_a_script_that_is_no_sh_ends_itself_alone(connection: Connection) -> None:
    shell = run(connection, WHOSE)
    assert run(connection, "if; 'open")[0] == 2
    assert run(connection, WHOSE) == shell


def test_input_goes_to_the_script_and_the_shell_goes_on(connection: Connection) -> None:
    data = bytes(range(256)) * 20_000
    shell = run(connection, WHOSE)
    code, text = run(connection, f"head -c {len(data)} | cksum; {WHOSE}", data)
    assert (code, text.split()[1:]) == (0, [str(len(data)), shell[1].strip()])
    assert run(connection, WHOSE) == shell


@pytest.mark.parametrize("status", [0, 73])
@pytest.mark.parametrize("lines", [1, 50_000])
def test_input_that_a_script_leaves_unread_is_never_taken_for_commands(
    connection: Connection, tmp_path: Path, status: int, lines: int
) -> None:
    trap = tmp_path / "trap"
    assert run(connection, f"exit {status}", f"touch {trap}\n".encode() * lines) == (status, "")
    assert run(connection, "echo next") == (0, "next\n")
    time.sleep(0.3)
    assert not trap.exists()


def test_a_script_that_takes_too_long_is_gone_and_the_next_one_has_a_new_shell(
    connection: Connection, host: Sshd
) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    run(connection, ":")
    with pytest.raises(CommandTimedOut):
        run(connection, f"set -m; sh -c 'sleep 300; : {needle}' & sleep 300; : {needle}", seconds=3)
    assert host.processes(needle) == []
    assert run(connection, "echo next") == (0, "next\n")


def test_two_at_once_do_not_wait_for_each_other(connection: Connection, tmp_path: Path) -> None:
    run(connection, ":")
    begun, let_go = tmp_path / "begun", tmp_path / "let-go"
    slow = threading.Thread(target=run, args=(connection, f"touch {begun}; until [ -e {let_go} ]; do sleep 0.05; done"))
    slow.start()
    until("the slow one", begun.exists)
    assert run(connection, "echo quick") == (0, "quick\n")
    assert slow.is_alive()
    let_go.touch()
    slow.join()


def test_a_shell_that_was_killed_leaves_the_outcome_unknown_and_the_next_one_is_new(connection: Connection) -> None:
    run(connection, ":")
    assert run(connection, "kill -9 $PPID; sleep 0.2")[0] is None
    assert run(connection, "echo next") == (0, "next\n")


def test_a_shell_that_ended_between_two_scripts_loses_neither(connection: Connection) -> None:
    _, shell = run(connection, WHOSE)
    capture(connection, f"kill -9 {shell}", deadline_seconds=60)
    assert run(connection, "cat", b"its input") == (0, "its input")
    assert run(connection, "echo next") == (0, "next\n")


def test_a_connection_that_is_closed_loses_the_outcome(connection: Connection) -> None:
    begun = threading.Event()

    def close() -> None:
        begun.wait(60)
        connection.close()

    threading.Thread(target=close).start()
    with pytest.raises(ConnectionLost, match=r"unknown|broke|answer"):
        connection.run("echo begun; sleep 30", deadline_seconds=600, in_shell=True, on_output=lambda data: begun.set())
