"""What happens to a run while Redis, the clock, the web or the whole server dies, or a worker only seems dead."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.faults import oracle, questions
from tests.faults.points import Work
from tests.faults.questions import RunSeen
from tests.faults.town import Town, await_true, kind_of, town
from tests.faults.work import Task
from tests.lab.server import UP

pytestmark = pytest.mark.alone

LATER_SECONDS_MAX = 120.0  # than normal; on a quiet machine it is a tenth of that, and each figure is printed
_PATIENCE_SECONDS = 300.0
_FEW = {"STAGE_WORKERS": "2", "CONTROL_WORKERS": "1", "DEPLOY_WORKERS": "2", "POLL_SECONDS": "3600"}


def test_a_run_goes_on_whatever_happens_to_the_processes_around_it(tmp_path: Path) -> None:
    with town(tmp_path, **_FEW) as here:
        later_seconds(here, [begun(here, "all awake")])
        normal = later_seconds(here, [begun(here, "nobody dies")])
        acts = (lose_redis, forget_all_rings, lose_clock_web_and_announcer, freeze_two_workers, lose_the_server)
        with contextlib.ExitStack() as again:
            for act in acts:
                later = later_seconds(here, act(here, again)) - normal
                print(f"\n{act.__name__.replace('_', ' '):30} {later:5.1f} s later than normal", end="")
                assert later <= LATER_SECONDS_MAX
            await_true(lambda: not here.leftovers(), 240, "the engine was not tidied")
        assert here.records.ask(questions.broken_logs) == []
        assert here.records.ask(questions.deliveries) == set(here.accepted)


def lose_redis(here: Town, _again: ExitStack) -> list[Task]:
    """Killed in the middle of a run; a push comes while it is gone."""
    task, other = begun(here, "redis dies"), Task("pushed without redis", "without-redis")
    here.kill("redis")
    here.push(other)
    return [task, other]


def forget_all_rings(here: Town, _again: ExitStack) -> list[Task]:
    """Redis loses everything while one run goes on and another has just been pushed."""
    task, other = begun(here, "redis forgets"), Task("pushed before redis forgot", "before-forgetting")
    here.push(other)
    with redis.Redis.from_url(here.redis_url) as connection:
        connection.flushall()
    return [task, other]


def lose_clock_web_and_announcer(here: Town, _again: ExitStack) -> list[Task]:
    task = begun(here, "three die")
    for kind in ("clock", "web", "announce"):
        here.kill(kind)
    return [task]


def freeze_two_workers(here: Town, _again: ExitStack) -> list[Task]:
    """They sleep for longer than their leases and wake up when others have their work: they must not touch it."""
    deployed = Task("a deployer freezes", "frozen-deploy", Work.SHIPS, seconds=0.1, migration_seconds=22.0)
    here.make_environments([deployed.slug])
    here.push(deployed)
    await_true(lambda: here.records.ask(questions.has_begun_to_migrate, deployed.key), 240, "nothing was deployed")
    task = begun(here, "a worker freezes", seconds=20.0)
    frozen = [freeze(here, task, questions.performer_of), freeze(here, deployed, questions.deployer_of)]
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    here.await_end(_PATIENCE_SECONDS)
    assert [kind_of(pid) for pid in frozen] == ["stage", "deploy"]
    return [task, deployed]


def lose_the_server(here: Town, again: ExitStack) -> list[Task]:
    """The supervisor is killed, all others with it; the container goes on, and the next server hears it out."""
    task = begun(here, "all die", seconds=6.0)
    here.server.process.kill()
    here.server.process.wait()
    await_true(lambda: not here.server.processes(), 60, "processes outlived their supervisor")
    again.enter_context(served_again(here))
    return [task]


@contextlib.contextmanager
def served_again(here: Town) -> Iterator[None]:
    """The same server once more, as whatever supervises it would start it."""
    environment = {**os.environ, **here.server.settings, "DJANGO_SETTINGS_MODULE": "server.settings"}
    with (here.server.state / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *UP], env=environment, cwd=Path(UP[0]).parent, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(120)


def begun(here: Town, key: str, seconds: float = 3.0) -> Task:
    """A run in the middle of its output."""
    task = Task(key, key.replace(" ", "-"), seconds=seconds)
    here.push(task)
    here.await_output(task)
    return task


def later_seconds(here: Town, tasks: list[Task]) -> float:
    """Hold the tasks against what they should leave; returns by how much the slowest took longer than it prints."""
    for task in tasks:
        await_true(partial(has_ended, here, task), _PATIENCE_SECONDS, f"{task.key} did not end")
    return max(judged(here, task) - task.seconds for task in tasks)


def judged(here: Town, task: Task) -> float:
    """How long the task took; AssertionError when its run left anything else than it should."""
    run = run_of(here, task)
    wrong = oracle.complaints(here, task, [run])
    assert not wrong, f"{task.key}: {wrong}"
    assert run.finished_at is not None
    return (run.finished_at - run.created_at).total_seconds()


def run_of(here: Town, task: Task) -> RunSeen:
    """The one run of a task."""
    [run] = [run for run in here.records.ask(questions.runs) if run.title == task.key]
    return run


def has_ended(here: Town, task: Task) -> bool:
    statuses = here.records.ask(questions.statuses, task.key)
    return bool(statuses) and not {"queued", "running"} & set(statuses)


def freeze(here: Town, task: Task, owner_of: Callable[[str], str]) -> int:
    """Stop whoever has the task in hand until another has taken it over; returns the stopped process.

    One that stops in the middle of a transaction keeps everybody from writing: then it is woken, and stopped again.
    """
    for patience_seconds in (15, 30, 60):
        owner = here.records.ask(owner_of, task.key)
        assert owner, f"{task.key} ended before its worker could be stopped"
        pid = int(owner.rpartition(":")[2])
        os.kill(pid, signal.SIGSTOP)
        try:
            await_true(partial(has_another, here, task, owner_of, owner), patience_seconds, "nobody took it over")
        except AssertionError:
            os.kill(pid, signal.SIGCONT)
        else:
            return pid
    raise AssertionError(f"no other worker took {task.key} over")


def has_another(here: Town, task: Task, owner_of: Callable[[str], str], owner: str) -> bool:
    return here.records.ask(owner_of, task.key) not in ("", owner)
