"""What every executor promises, asked of each against its real engine."""

import contextlib
import itertools
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from docker import DockerClient

from pipelines.errors import UserError
from runners.containers.docker import DockerExecutor
from runners.containers.executor import (
    Container,
    ContainerGone,
    ContainerPlan,
    ContainerTaken,
    EngineGone,
    Entry,
    Executor,
    Exit,
    ImageMissing,
    Limits,
    Line,
    NoShell,
    Output,
    Ownership,
    State,
)
from runners.containers.script import IN_VAIN, archive, files_of
from runners.masking import LogFilter, needles_of
from runners.recorder import Recorder
from tests.lab.images import image

_attempts = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> str:
    return f"test-{os.getpid()}-{secrets.token_hex(3)}"


@pytest.fixture(scope="session")
def docker_executor(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerExecutor]:
    executor = DockerExecutor(server, None, tmp_path_factory.mktemp("engine") / "network.lock")
    yield executor
    executor.remove_network()
    executor.close()


@pytest.fixture(params=["docker"])
def executor(request: pytest.FixtureRequest, docker_executor: DockerExecutor) -> Iterator[Executor]:
    yield docker_executor
    for container in docker_executor.ours():
        docker_executor.remove(container)


def owner() -> Ownership:
    return Ownership(run=1, stage=2, attempt=next(_attempts))


@pytest.fixture
def prepared(executor: Executor, busybox_image: str) -> Callable[..., Container]:
    """A container that has its steps and was not started: once it is, it waits to be let go."""

    def prepare(*steps: str, **options: object) -> Container:
        container = executor.create(ContainerPlan(owner(), busybox_image, **options))  # type: ignore[arg-type]
        executor.put(container, archive(files_of(steps)))
        return container

    return prepare


def read_all(output: Output, limit_seconds: float = 240) -> bytes:
    deadline = time.monotonic() + limit_seconds
    pieces = []
    while (data := output.read(0.1)) is not None:
        pieces.append(data)
        assert time.monotonic() < deadline, b"".join(pieces)[-2000:]
    output.close()
    return b"".join(pieces)


def ended(executor: Executor, container: Container, limit_seconds: float = 240) -> Exit:
    end = executor.wait(container, limit_seconds)
    assert end is not None
    return end


def let_go(executor: Executor, container: Container) -> Line:
    line = executor.output(container)
    executor.start(container)
    line.go()
    return line


def run(executor: Executor, container: Container) -> tuple[bytes, Exit]:
    line = let_go(executor, container)
    return read_all(line), ended(executor, container)


def text_of(raw: bytes, steps: int = 9) -> str:
    log = LogFilter((), steps=steps)
    return (log.feed(raw).data + log.finish().data).decode()


Prepare = Callable[..., Container]


def test_a_steps_output_and_code_come_out(executor: Executor, prepared: Prepare) -> None:
    raw, end = run(executor, prepared("echo hello\nexit 7"))

    assert text_of(raw) == "hello\n"
    assert end == Exit(7)


def test_stdout_and_stderr_keep_their_true_order(executor: Executor, prepared: Prepare) -> None:
    step = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    container = prepared(step)
    raw, _ = run(executor, container)

    assert text_of(raw).split("\n")[:-1] == [f"{name} {i}" for i in range(500) for name in ("out", "err")]
    assert read_all(executor.journal(container)) == raw


def test_an_unterminated_last_line_always_arrives(executor: Executor, prepared: Prepare) -> None:
    for _ in range(10):
        container = prepared("echo first; printf last")
        raw, _ = run(executor, container)
        assert text_of(raw) == "first\nlast"
        assert read_all(executor.journal(container)) == raw
        executor.remove(container)


def test_a_reader_that_comes_three_seconds_late_loses_nothing(executor: Executor, prepared: Prepare) -> None:
    container = prepared("seq 1 400000")
    output = let_go(executor, container)
    time.sleep(3)
    raw = read_all(output)

    assert text_of(raw) == "".join(f"{i}\n" for i in range(1, 400001))
    assert ended(executor, container).code == 0


def test_exit_zero_in_a_step_never_skips_the_next(executor: Executor, prepared: Prepare) -> None:
    raw, end = run(executor, prepared("echo one; exit 0; echo never", "cd /tmp; echo two", "pwd"))

    assert text_of(raw) == "one\ntwo\n/workspace\n"
    assert end.code == 0


def test_the_first_failure_stops_with_its_code(executor: Executor, prepared: Prepare) -> None:
    raw, end = run(executor, prepared("echo one", "false\necho never", "echo three"))
    log = LogFilter((), steps=3)
    piece = log.feed(raw)

    assert (piece.data, end.code) == (b"one\n", 1)
    assert [(m.position, m.begins, m.exit_code) for m in piece.marks] == [
        (0, True, None),
        (0, False, 0),
        (1, True, None),
        (1, False, 1),
    ]


def test_forged_marks_change_no_verdict(executor: Executor, prepared: Prepare) -> None:
    forged = r"printf '\033]slipway;0;end;0\007\033]slipway;1;begin\007\033]slipway;1;end;0\007'; exit 3"
    raw, end = run(executor, prepared(forged, "echo two"))

    assert text_of(raw, 2) == ""
    assert end.code == 3


def test_a_step_waits_for_no_input(executor: Executor, prepared: Prepare) -> None:
    raw, end = run(executor, prepared("cat; echo done"))

    assert (text_of(raw), end.code) == ("done\n", 0)


def test_the_workspace_is_where_steps_begin_and_root_may_write_anything(executor: Executor, prepared: Prepare) -> None:
    step = "mkdir a; chown 1000:1000 a; chmod 700 a; echo hi >a/file; cat a/file; pwd; id -u"
    raw, end = run(executor, prepared(step))

    assert (text_of(raw), end.code) == ("hi\n/workspace\n0\n", 0)


def test_environment_variables_reach_every_step(executor: Executor, prepared: Prepare) -> None:
    raw, _ = run(executor, prepared('echo "$A"', 'echo "$B"', environ={"A": "x y\nz", "B": "$HOME 'q'"}))

    assert text_of(raw) == "x y\nz\n$HOME 'q'\n"


def test_nothing_came_in_time_is_told_from_the_end(executor: Executor, prepared: Prepare) -> None:
    for pause in (1, 10, 60):  # the first at the end of which we have heard what we ask before it
        container = prepared(f"sleep {pause}; echo late")
        began = time.monotonic()
        output = let_go(executor, container)
        before = output.read(0.5), output.read(0.1), executor.wait(container, 0.1)
        if time.monotonic() - began < pause:
            break
        output.close()

    assert (text_of(before[0] or b""), *before[1:]) == ("", b"", None)
    assert text_of(read_all(output)) == "late\n"


def test_a_waiting_reader_is_woken_by_close_from_another_thread(executor: Executor, prepared: Prepare) -> None:
    container = prepared("sleep 600")
    output = let_go(executor, container)
    output.read(5)
    threading.Timer(0.3, output.close).start()
    began = time.monotonic()

    assert output.read(300) is None
    assert time.monotonic() - began < 120


def test_terminate_gives_a_step_time_to_clean_up(executor: Executor, prepared: Prepare) -> None:
    step = "trap 'sleep 1; echo cleaned; exit 0' TERM\necho ready\nwhile :; do sleep 0.1; done"
    container = prepared(step, "echo never")
    output = let_go(executor, container)
    raw = b""
    while b"ready" not in raw:
        raw += output.read(1) or b""
    executor.terminate(container)

    assert text_of(raw + read_all(output)).replace("Terminated\n", "") == "ready\ncleaned\n"
    assert ended(executor, container).code == 143


def test_terminate_ends_a_step_that_does_not_care(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo ready; sleep 300", "echo never")
    output = let_go(executor, container)
    while b"ready" not in (output.read(1) or b""):
        pass
    executor.terminate(container)

    assert text_of(read_all(output, 5)).replace("Terminated\n", "") == ""
    assert ended(executor, container).code == 143


def test_kill_ends_a_step_that_ignores_terminate_and_its_five_hundred_children(
    executor: Executor, prepared: Prepare
) -> None:
    step = """trap '' TERM
        i=0; while [ $i -lt 500 ]; do setsid sleep 300 & i=$((i+1)); done
        echo ready; while :; do sleep 1; done"""
    container = prepared(step)
    output = let_go(executor, container)
    raw = b""
    while b"ready" not in raw:
        raw += output.read(1) or b""
    executor.terminate(container)
    assert executor.wait(container, 1) is None
    executor.kill(container)

    assert ended(executor, container, 10).code == 137
    read_all(output, 5)
    executor.kill(container)
    executor.terminate(container)


def test_what_a_step_leaves_running_ends_with_the_stage(executor: Executor, prepared: Prepare) -> None:
    raw, end = run(executor, prepared("sleep 300 & setsid sleep 300 & echo on", "echo two"))

    assert (text_of(raw), end.code) == ("on\ntwo\n", 0)


def test_want_of_memory_is_told(executor: Executor, prepared: Prepare) -> None:
    container = prepared("tail /dev/zero", limits=Limits(memory_bytes=32 * 1024**2, cpus=1, pids=64))
    _, end = run(executor, container)

    assert end.oom_killed
    assert end.code != 0


def test_a_fork_bomb_stops_at_the_limit(executor: Executor, prepared: Prepare) -> None:
    step = "i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done; echo never"
    raw, end = run(executor, prepared(step, limits=Limits(pids=40)))

    assert "never" not in text_of(raw)
    assert end.code != 0


def test_an_unknown_image_is_the_persons_to_mend(executor: Executor) -> None:
    with pytest.raises(ImageMissing, match="no-such-image") as raised:
        executor.create(ContainerPlan(owner(), "slipway.invalid/no-such-image:1"))

    assert isinstance(raised.value, UserError)
    assert executor.ours() == []


@pytest.mark.parametrize("name", ["-v", "Not A Name", "a/../b", "x:y:z", "$(id)"])
def test_what_is_no_image_name_is_the_persons_to_mend(executor: Executor, name: str) -> None:
    with pytest.raises(ImageMissing):
        executor.create(ContainerPlan(owner(), name))


def test_an_image_without_a_shell_is_told_so(executor: Executor, engine: DockerClient) -> None:
    container = executor.create(ContainerPlan(owner(), image("shell-less", engine)))
    executor.put(container, archive(files_of(["echo hi"])))

    with pytest.raises(NoShell, match="/bin/sh"):
        run(executor, container)


def test_a_command_not_found_is_no_missing_shell(executor: Executor, prepared: Prepare) -> None:
    raw, end = run(executor, prepared("no-such-command"))

    assert "not found" in text_of(raw)
    assert end.code == 127


def test_create_never_gives_what_another_runner_created(executor: Executor, busybox_image: str) -> None:
    """Once it did; then two that prepared one attempt could fill, or let go, one container together."""
    plan = ContainerPlan(owner(), busybox_image)
    assert executor.find(plan.owner) is None
    first = executor.create(plan)

    with pytest.raises(ContainerTaken):
        executor.create(plan)
    assert executor.find(plan.owner) == first
    assert first.state == State.CREATED


def test_runners_that_begin_at_once_make_one_network_and_make_it_again_when_it_is_cleared_away(
    busybox_image: str, server: str, tmp_path: Path, engine: DockerClient
) -> None:
    executors = [DockerExecutor(f"{server}-first", None, tmp_path / "network.lock") for _ in range(6)]

    def begin(executor: DockerExecutor) -> Container:
        made = executor.create(ContainerPlan(owner(), busybox_image))
        executor.start(made)
        return made

    try:
        for _ in range(2):
            with ThreadPoolExecutor(6) as threads:
                made = list(threads.map(begin, executors))
            names = [network.name for network in engine.networks.list(names=[f"{server}-first"])]
            for executor, container in zip(executors, made, strict=True):
                executor.remove(container)
            executors[0].remove_network()
            assert names == [f"slipway-{server}-first"]
    finally:
        for executor in executors:
            executor.close()


def test_of_eight_runners_at_once_one_creates_a_container(busybox_image: str, server: str, tmp_path: Path) -> None:
    executors = [DockerExecutor(f"{server}-race", None, tmp_path / "network.lock") for _ in range(8)]
    plan = ContainerPlan(owner(), busybox_image)
    made: list[Container] = []

    def create(each: DockerExecutor) -> None:
        with contextlib.suppress(ContainerTaken):
            made.append(each.create(plan))

    threads = [threading.Thread(target=create, args=(each,)) for each in executors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    try:
        assert len(made) == 1
        executors[0].start(made[0])
        executors[2].go(made[0])
        assert ended(executors[1], made[0]).code != 0  # it has no script
    finally:
        executors[0].remove(made[0])
        executors[0].remove_network()
        for each in executors:
            each.close()


def test_a_started_container_is_never_started_again(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo once")
    run(executor, container)
    executor.start(container)
    ended(executor, container)

    assert text_of(read_all(executor.journal(container))) == "once\n"


def test_a_container_that_the_engine_runs_again_only_repeats_its_code(
    executor: Executor, prepared: Prepare, engine: DockerClient
) -> None:
    container = prepared("echo once; exit 3")
    run(executor, container)
    engine.containers.get(container.id).start()
    executor.go(container)

    assert ended(executor, container) == Exit(3)
    assert text_of(read_all(executor.journal(container))) == "once\n"


def test_a_takeover_in_the_middle_reads_on_exactly(executor: Executor, prepared: Prepare) -> None:
    secret = b"hunter2hunter2"
    step = (
        "i=0; while [ $i -lt 300 ]; do echo line $i é hunter2hunter2; sleep 0.01; i=$((i+1)); done; printf hunter2hun"
    )
    container = prepared(step)
    output = let_go(executor, container)
    first = LogFilter([secret], steps=1)
    stored, raw_until, raw_size = b"", 0, 0
    while raw_size < 3000:
        raw = output.read(1) or b""
        piece = first.feed(raw)
        stored, raw_until, raw_size = stored + piece.data, piece.raw_until, raw_size + len(raw)
    output.close()

    found = executor.find(container.owner)
    assert found is not None
    second = LogFilter([secret], steps=1, raw_from=raw_until, log_from=len(stored))
    stored += second.feed(read_all(executor.journal(found, raw_until))).data
    piece = second.finish()
    stored += piece.data

    lines = "".join(f"line {i} é ***\n" for i in range(300))
    assert stored.decode() == lines + "hunter2hun"
    assert [(mark.exit_code, mark.offset) for mark in piece.marks] == [(0, len(stored))]
    assert ended(executor, found).code == 0


def test_what_is_no_text_is_counted_alike_live_and_in_the_journal(executor: Executor, prepared: Prepare) -> None:
    noise = os.urandom(200_000) + ("é" * 30_000).encode() + b"\n" + b"x" * 16_383 + "éé\n".encode()
    noise += b"y" * 16_384 + b"\n\x00\xed\xa0\x80\xf5\xc0\x80\xe2\x82\xf0\x9f\x98\n" + b"\xe2\x82"
    container = prepared("cat noise")
    executor.put(container, archive({"/workspace/noise": noise}))
    raw, _ = run(executor, container)

    assert read_all(executor.journal(container)) == raw
    assert read_all(executor.journal(container, 150_000)) == raw[150_000:]


def test_a_journal_that_was_cut_is_an_error_and_not_an_end(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo short")
    run(executor, container)

    with pytest.raises(EngineGone, match="kept"):
        read_all(executor.journal(container, 10_000))


def test_files_come_out_of_a_container_that_has_ended(executor: Executor, prepared: Prepare) -> None:
    container = prepared("mkdir dist; echo hi >dist/a; ln -s dist link")
    run(executor, container)

    assert b"hi\n" in b"".join(executor.get(container, "/workspace/dist"))
    assert executor.entry(container, "/workspace/dist") == Entry("dist", is_directory=True, link_target=None)
    assert executor.entry(container, "/workspace/link") == Entry("link", False, "/workspace/dist")
    assert executor.entry(container, "/workspace/missing") is None
    with pytest.raises(ContainerGone):
        list(executor.get(container, "/workspace/missing"))


def test_a_removed_container_is_found_by_nobody(executor: Executor, prepared: Prepare) -> None:
    container = prepared("sleep 60")
    executor.start(container)
    executor.remove(container)
    executor.remove(container)

    assert executor.find(container.owner) is None
    assert executor.ours() == []
    with pytest.raises(ContainerGone):
        executor.wait(container, 1)


def test_a_started_container_waits_to_be_let_go(executor: Executor, prepared: Prepare) -> None:
    container = prepared("cat late")
    line = executor.output(container)
    executor.start(container)
    assert line.read(0.5) == b""
    executor.put(container, archive({"/workspace/late": b"what came in while it waited\n"}))
    line.go()

    assert text_of(read_all(line)) == "what came in while it waited\n"
    assert ended(executor, container).code == 0


def test_a_container_is_filled_as_well_after_its_start(executor: Executor, busybox_image: str) -> None:
    container = executor.create(ContainerPlan(owner(), busybox_image))
    line = executor.output(container)
    executor.start(container)
    executor.put(container, archive(files_of(["echo hello"])))
    line.go()

    assert text_of(read_all(line)) == "hello\n"


def test_go_may_be_said_again_by_anybody_and_runs_the_script_once(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo once; sleep 4; echo twice >&2")
    line = let_go(executor, container)
    for _ in range(3):
        executor.go(container)
        line.go()

    assert text_of(read_all(line)) == "once\ntwice\n"
    executor.go(container)
    assert ended(executor, container) == Exit(0)
    assert text_of(read_all(executor.journal(container))) == "once\ntwice\n"


def test_another_runner_lets_go_what_the_first_has_started(executor: Executor, prepared: Prepare) -> None:
    container = prepared("sleep 0.5; echo done")
    first = executor.output(container)
    executor.start(container)
    executor.go(container)
    first.close()

    assert text_of(read_all(executor.journal(container))) == "done\n"
    assert ended(executor, container).code == 0


def test_what_nobody_has_let_go_ends_when_its_runner_goes_away(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo never")
    line = executor.output(container)
    executor.start(container)
    assert executor.wait(container, 0.5) is None
    line.close()

    assert ended(executor, container, 10).code == IN_VAIN
    assert read_all(executor.journal(container)) == b""


def test_a_waiting_container_can_be_told_to_end(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo never")
    line = executor.output(container)
    executor.start(container)
    executor.terminate(container)

    assert ended(executor, container, 10).code == 143
    assert read_all(line) == b""


def test_only_what_does_not_run_is_discarded(executor: Executor, prepared: Prepare) -> None:
    container = prepared("echo never")
    line = executor.output(container)
    executor.start(container)
    executor.discard(container)
    assert executor.find(container.owner) is not None
    line.close()
    ended(executor, container, 10)
    executor.discard(container)

    assert executor.ours() == []


def test_the_seal_of_a_container_can_be_read_again(executor: Executor, busybox_image: str) -> None:
    plan = ContainerPlan(owner(), busybox_image, seal="abc")
    assert executor.create(plan).seal == "abc"
    found = executor.find(plan.owner)

    assert found is not None
    assert (found.seal, executor.ours()[0].seal) == ("abc", "abc")
    assert abs(executor.ours()[0].made_at - time.time()) < 60


def test_ours_are_listed_and_strangers_are_not(executor: Executor, prepared: Prepare, engine: DockerClient) -> None:
    container = prepared("true")
    other = prepared("true")
    engine.containers.get(other.id).remove(force=True)

    assert {(each.owner, each.state) for each in executor.ours()} == {
        (container.owner, State.CREATED),
        (other.owner, State.GONE),
    }
    for each in executor.ours():
        executor.remove(each)
    assert executor.ours() == []


def test_what_somebody_starts_from_an_image_with_our_labels_is_not_ours(
    executor: Executor, prepared: Prepare, busybox_image: str, engine: DockerClient
) -> None:
    mine = prepared("true")
    labels = engine.containers.get(mine.id).labels
    theirs = [engine.containers.create(busybox_image, labels=each) for each in (labels, {"slipway.server": "x"})]
    theirs += [engine.containers.create(busybox_image, labels={"slipway.server": labels["slipway.server"]})]
    try:
        assert [each.id for each in executor.ours()] == [mine.id]
        executor.clear(mine.owner)
        assert executor.ours() == []
        for each in theirs:
            each.reload()
    finally:
        for each in theirs:
            each.remove(force=True)


def test_an_image_is_not_found_by_its_id(executor: Executor, busybox_image: str, engine: DockerClient) -> None:
    found = str(engine.images.get(busybox_image).id).removeprefix("sha256:")

    for name in (found[:12], found):
        with pytest.raises(ImageMissing):
            executor.create(ContainerPlan(owner(), name))


@pytest.mark.alone
def test_a_million_lines_come_nearly_as_fast_as_from_the_engines_own_client(
    executor: Executor, prepared: Prepare, busybox_image: str
) -> None:
    line = "x" * 99
    step = f"yes {line} | head -n 1000000"
    bare = ["docker", "run", "--rm", busybox_image, "sh", "-c", step]
    began = time.monotonic()
    subprocess.run(bare, check=True, stdout=subprocess.DEVNULL)
    bare_seconds = time.monotonic() - began

    sizes: list[int] = []
    began = time.monotonic()
    container = prepared(step)
    log = Recorder(needles_of(["a-secret-value"]), lambda batch: sizes.append(len(batch.data)), steps=1)
    output = let_go(executor, container)
    while (raw := output.read(0.1)) is not None:
        log.feed(raw)
    log.finish()
    output.close()
    ended(executor, container)
    executor.remove(container)
    seconds = time.monotonic() - began

    print(f"10^6 lines: {seconds:.2f} s, bare {bare_seconds:.2f} s, ratio {seconds / bare_seconds:.2f}")
    assert sum(sizes) == 100_000_000
    assert seconds / bare_seconds < 2.5  # about 1.0 alone; other tests may run beside it
