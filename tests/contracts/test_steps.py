"""What a step may ask for, in the shells of different images."""

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest

from pipelines.spec.model import StepSpec
from runners.artifacts import small_file
from runners.containers.docker import DockerExecutor
from runners.containers.executor import Container, ContainerPlan, Exit, Output, Ownership
from runners.containers.script import archive, files_of
from runners.containers.stepping import WHY, why
from runners.masking import LogFilter

_attempts = itertools.count(1)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerExecutor]:
    lock = tmp_path_factory.mktemp("engine") / "network.lock"
    executor = DockerExecutor(f"test-{os.getpid()}-{secrets.token_hex(3)}", None, lock)
    yield executor
    for container in executor.ours():
        executor.remove(container)
    executor.remove_network()
    executor.close()


def read_all(output: Output) -> bytes:
    pieces = []
    while (data := output.read(0.1)) is not None:
        pieces.append(data)
    output.close()
    return b"".join(pieces)


def let_go(executor: DockerExecutor, container: Container, steps: Sequence[StepSpec]) -> None:
    with closing(executor.output(container)) as line:
        executor.start(container)
        executor.put(container, archive(files_of(steps)))
        line.go()


Performed = Callable[..., tuple[str, Exit, str]]


@pytest.fixture(params=["busybox", "dash"])
def performed(
    request: pytest.FixtureRequest, executor: DockerExecutor, busybox_image: str, python_image: str
) -> Performed:
    """The output of the steps, how the container ended, and why in words."""
    image = {"busybox": busybox_image, "dash": python_image}[request.param]

    def perform(*steps: StepSpec) -> tuple[str, Exit, str]:
        container = executor.create(ContainerPlan(Ownership(1, 1, next(_attempts)), image))
        let_go(executor, container, steps)
        end = executor.wait(container, 60)
        assert end is not None
        log = LogFilter((), steps=9)
        raw = read_all(executor.journal(container))
        told = why(small_file(executor, container, WHY), steps)
        return (log.feed(raw).data + log.finish().data).decode(), end, told

    return perform


def test_a_step_has_variables_of_its_own_whatever_is_in_them(performed: Performed) -> None:
    hostile = 'it\'s $(id) `id` "quoted" \\ \n; exit 9 #'
    text, end, _ = performed(
        StepSpec("show", 'printf "<%s>" "$A" "$B"', env={"A": hostile, "B": "-n"}),
        StepSpec("not here", 'printf "<%s>" "$A"'),
    )

    assert (text, end.code) == (f"<{hostile}><-n><>", 0)


def test_a_variable_that_is_no_name_is_left_out(performed: Performed) -> None:
    text, end, _ = performed(StepSpec("show", "echo on", env={"A; exit 3": "x", "": "y"}))

    assert (text, end.code) == ("on\n", 0)


def test_a_step_begins_in_its_workdir(performed: Performed) -> None:
    text, end, _ = performed(StepSpec("make", "mkdir -p 'a b/c'"), StepSpec("there", "pwd", workdir="a b/c"))

    assert (text, end.code) == ("/workspace/a b/c\n", 0)


def test_a_workdir_that_is_not_there_fails_in_words(performed: Performed) -> None:
    text, end, told = performed(StepSpec("one", "true"), StepSpec("tests", "echo never", workdir="no/where"))

    assert (text, end.code) == ("", 1)
    assert told == "step 2, tests, could not begin: its workdir no/where is no directory in the workspace"


def test_a_shell_that_the_image_lacks_fails_in_words(performed: Performed) -> None:
    _, end, told = performed(StepSpec("tests", "echo never", shell="no-such-shell -e"))

    assert (end.code, told) == (1, "step 1, tests, could not begin: its shell no-such-shell is not in the image")


def test_a_step_is_given_to_its_own_shell_with_its_arguments(executor: DockerExecutor, python_image: str) -> None:
    steps = [
        StepSpec("bash", "false | true; echo never", shell="bash -eo pipefail"),
        StepSpec("python", "import os, sys\nprint(sys.argv[1:], os.environ['A'])", shell="python3 -I", env={"A": "x"}),
    ]
    for step, expected in zip(steps, ((1, b""), (0, b"[] x\n")), strict=True):
        container = executor.create(ContainerPlan(Ownership(1, 1, next(_attempts)), python_image))
        let_go(executor, container, [step])
        raw = read_all(executor.journal(container))
        end = executor.wait(container, 120)
        assert end is not None
        assert (end.code, LogFilter((), steps=1).feed(raw).data) == expected


def test_a_step_that_takes_too_long_is_ended_with_all_that_it_started(performed: Performed) -> None:
    step = "sleep 300 & echo begun; (sleep 200; echo never); echo never"
    began = time.monotonic()
    text, end, told = performed(
        StepSpec("one", "true"), StepSpec("tests", step, timeout_seconds=3), StepSpec("x", "echo never")
    )

    assert time.monotonic() - began < 100
    assert text.replace("Terminated\n", "") == "begun\n"
    assert (end.code, told) == (124, "step 2, tests, took longer than its timeout of 3 s")


def test_a_step_that_ends_well_when_its_time_is_over_has_failed_all_the_same(performed: Performed) -> None:
    step = "trap 'echo cleaned; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
    text, end, told = performed(StepSpec("tests", step, timeout_seconds=3))

    assert text.replace("Terminated\n", "") == "begun\ncleaned\n"
    assert (end.code, told) == (124, "step 1, tests, took longer than its timeout of 3 s")


def test_a_step_that_does_not_care_is_killed_after_the_grace(performed: Performed) -> None:
    step = "trap '' TERM; echo begun; while :; do sleep 1; done"
    text, end, told = performed(StepSpec("tests", step, timeout_seconds=3))

    assert text.replace("Killed\n", "").replace("Terminated\n", "") == "begun\n"
    assert (end.code, told) == (124, "step 1, tests, took longer than its timeout of 3 s")


def test_a_timeout_that_was_not_needed_leaves_nothing_behind(performed: Performed) -> None:
    count = "sleep 1; set -- /proc/[0-9]*; echo $#"  # counted without a process more
    steps = [StepSpec(f"step {i}", count, timeout_seconds=60) for i in range(3)]
    text, end, told = performed(*steps)

    assert end.code == 0
    assert told == ""
    assert len(set(text.split())) == 1


def test_background_work_of_an_earlier_step_goes_on_through_a_timed_step(performed: Performed) -> None:
    text, end, _ = performed(
        StepSpec("serve", "(sleep 1; echo served >/tmp/said) &"),
        StepSpec("short", "true", timeout_seconds=60),
        StepSpec("read", "until [ -s /tmp/said ]; do sleep 0.1; done; cat /tmp/said"),
    )

    assert (text, end.code) == ("served\n", 0)
