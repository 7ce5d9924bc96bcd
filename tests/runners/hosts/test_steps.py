"""Commands that must not run twice, on real hosts, dash and busybox alike."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.hosts import steps
from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.states import Needs, preflight
from runners.hosts.ssh.connection import (
    CommandCancelled,
    CommandFailed,
    CommandTimedOut,
    Connection,
    ConnectionLost,
    check,
)
from runners.hosts.steps import Step, StepLost, run_step
from tests.lab.patience import until
from tests.lab.sshd import Sshd
from tests.runners.hosts.conftest import open_connection
from tests.runners.hosts.scripts.test_commands import busybox_directory

__all__ = ["busybox_directory"]

CLAIM = Claim(deploy=7, fence=3)


@pytest.fixture(params=["dash", "busybox"])
def server(request: pytest.FixtureRequest, own_sshd: Callable[..., Sshd], busybox_directory: Path) -> Sshd:
    return own_sshd(**({"path": str(busybox_directory)} if request.param == "busybox" else {}))


@pytest.fixture
def host(server: Sshd) -> Connection:
    return open_connection(server)


@pytest.fixture
def layout(server: Sshd, host: Connection) -> Layout:
    layout = Layout(str(server.root / "the app"))
    check(host, preflight(layout, CLAIM, Needs(1, "d")), "preparing", deadline_seconds=60)
    return layout


def step(command: str, layout: Layout, deadline_seconds: float = 120) -> Step:
    return Step("migrate", command, layout.path, deadline_seconds)


def test_a_step_gives_its_output_and_status(host: Connection, layout: Layout) -> None:
    output: list[bytes] = []
    command = "echo in $(pwd); echo err >&2; printf tail; exit 4"
    status = run_step(host, layout, CLAIM, step(command, layout), on_output=output.append)
    assert status == 4
    assert b"".join(output).decode() == f"in {layout.path}\nerr\ntail"


def test_a_step_asked_for_again_is_not_run_again(host: Connection, layout: Layout, server: Sshd) -> None:
    ledger = server.root / "ledger"
    outputs: list[list[bytes]] = [[], []]
    for output in outputs:
        once = step(f"echo ran >> '{ledger}'; echo done", layout)
        assert run_step(host, layout, CLAIM, once, on_output=output.append) == 0
    assert ledger.read_text() == "ran\n"
    assert outputs[0] == outputs[1] == [b"done\n"]


def test_a_step_outlives_its_connection_and_is_taken_up_where_its_output_was_left(
    host: Connection, layout: Layout, server: Sshd
) -> None:
    ledger, let_go = server.root / "ledger", server.root / "let-go"
    wait = f"until [ -e '{let_go}' ]; do sleep 0.05 2>/dev/null || sleep 1; done"
    numbers = "for n in 1 2 3 4 5 6 7 8; do echo line $n; [ $n != 4 ] || hold; done"
    command = f"hold() {{ {wait}; }}; echo ran >> '{ledger}'; {numbers}; exit 5"
    first: list[bytes] = []

    def cut_in_the_middle(data: bytes) -> None:
        first.append(data)
        if b"line 4" in data:
            server.drop_connections()

    with pytest.raises(ConnectionLost):
        run_step(host, layout, CLAIM, step(command, layout), on_output=cut_in_the_middle)
    let_go.touch()
    seen = b"".join(first)
    assert seen == b"line 1\nline 2\nline 3\nline 4\n"
    again, rest = open_connection(server), list[bytes]()
    status = run_step(again, layout, Claim(7, 4), step(command, layout), known=len(seen), on_output=rest.append)
    assert status == 5
    assert seen + b"".join(rest) == b"".join(b"line %d\n" % n for n in range(1, 9))
    assert ledger.read_text() == "ran\n"


def test_fifty_megabytes_of_a_step_arrive_whole(host: Connection, layout: Layout) -> None:
    seen = [0]

    def count(data: bytes) -> None:
        seen[0] += len(data)

    size = 50 * 1024 * 1024
    assert run_step(host, layout, CLAIM, step(f"head -c {size} /dev/zero", layout), on_output=count) == 0
    assert seen[0] == size


def test_a_step_that_prints_without_end_does_not_fill_the_hosts_disk_and_goes_on(
    host: Connection, layout: Layout, server: Sshd
) -> None:
    seen, limit = bytearray(), 100_000
    endless = step(f"yes talk | head -c 50000000; touch '{server.root}/went-on'; exit 3", layout)
    assert run_step(host, layout, CLAIM, endless, on_output=seen.extend, limit_bytes=limit) == 3
    assert len(seen) == limit
    assert (server.root / "went-on").exists()
    kept = Path(layout.step(CLAIM.deploy, CLAIM.token, "migrate"), "log").read_bytes()
    assert len(kept) < limit + 1000
    assert kept.endswith(b"beyond this is not kept]\n")


def test_a_daemon_that_a_step_left_may_print_without_end(host: Connection, layout: Layout, server: Sshd) -> None:
    daemon = "sh -c 'while sleep 0.05; do echo daemon; done' & echo $!; echo last words"
    output = bytearray()
    assert run_step(host, layout, CLAIM, step(daemon, layout), on_output=output.extend, limit_bytes=2048) == 0
    pid, words = output.decode().splitlines()[:2]
    assert words == "last words"
    time.sleep(0.5)
    check(host, f"kill {pid}", "ending the daemon", deadline_seconds=60)


def test_the_last_words_of_a_step_arrive_every_time(host: Connection, layout: Layout) -> None:
    for turn in range(25):
        output = bytearray()
        loud = Step(f"turn-{turn}", "head -c 300000 /dev/zero; printf end", layout.path, 120)
        assert run_step(host, layout, CLAIM, loud, on_output=output.extend) == 0
        assert len(output) == 300_003
        assert output.endswith(b"end")


@pytest.mark.parametrize("ending", ["cancel", "deadline"])
def test_a_step_ended_by_us_is_absent_from_the_hosts_process_list(
    host: Connection, layout: Layout, server: Sshd, ending: str
) -> None:
    needle = f"needle-{uuid.uuid4().hex}"
    seen = [0]

    def cancelled() -> bool:
        seen[0] = max(seen[0], len(server.processes(needle)))
        return ending == "cancel" and seen[0] >= 2

    command = f"trap '' TERM; sleep 300; : {needle}"
    long = step(command, layout, deadline_seconds=5 if ending == "deadline" else 120)
    with pytest.raises(CommandCancelled if ending == "cancel" else CommandTimedOut):
        run_step(host, layout, CLAIM, long, on_output=lambda data: None, cancelled=cancelled)
    assert seen[0] >= 2
    assert server.processes(needle) == []


@pytest.mark.parametrize("stands", ["while it is looked for", "after nobody waits for it any more"])
def test_a_step_that_was_cancelled_before_it_stood_does_not_begin(
    host: Connection, layout: Layout, server: Sshd, monkeypatch: pytest.MonkeyPatch, stands: str
) -> None:
    started, let_go = server.root / "started", server.root / "let-go"
    gate = '"$1/stopped"' if stands == "while it is looked for" else f"'{let_go}'"
    late = f"touch '{started}'; until [ -e {gate} ]; do sleep 0.02 2>/dev/null || sleep 1; done\n{steps._WRAPPER}"
    monkeypatch.setattr(steps, "_WRAPPER", late)
    needle = f"needle-{uuid.uuid4().hex}"
    long = step(f"touch begun; : {needle}", layout)
    with pytest.raises(CommandCancelled):
        run_step(host, layout, CLAIM, long, on_output=lambda data: None, cancelled=started.exists)
    let_go.touch()
    until("the end of what was late", lambda: not server.processes(needle))
    assert not (server.root / "the app/begun").exists()


def test_a_step_that_something_killed_has_no_known_outcome(host: Connection, layout: Layout, server: Sshd) -> None:
    with pytest.raises(StepLost, match="left no exit status"):
        run_step(host, layout, CLAIM, step("kill -9 $PPID $$", layout), on_output=lambda data: None)


def test_a_daemon_left_by_a_step_neither_holds_us_nor_dies(host: Connection, layout: Layout) -> None:
    output: list[bytes] = []
    command = "sleep 300 & echo $!"
    assert run_step(host, layout, CLAIM, step(command, layout), on_output=output.append) == 0
    pid = int(b"".join(output))
    check(host, f"kill {pid}", "ending the daemon", deadline_seconds=60)  # which fails unless it lives


def test_a_host_taken_over_by_a_later_deploy_starts_no_step(host: Connection, layout: Layout, server: Sshd) -> None:
    check(host, preflight(layout, Claim(8, 9), Needs(1, "d")), "locking", deadline_seconds=60)
    with pytest.raises(CommandFailed, match="73"):
        run_step(host, layout, CLAIM, step(f"touch '{server.root}/ran'", layout), on_output=lambda data: None)
    assert not (server.root / "ran").exists()
