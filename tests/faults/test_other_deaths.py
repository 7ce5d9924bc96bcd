"""What happens to a run while Redis, the clock, the web or the whole server dies, or a worker only seems dead."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import redis

from tests.faults import oracle, questions
from tests.faults.town import Town, await_true, kind_of, slowness, town
from tests.faults.work import Task
from tests.lab.server import UP

_NORMAL_SECONDS, _LATER_SECONDS = 20.0, 15.0
_LEASE_SECONDS = 6.0


def test_a_run_goes_on_whatever_happens_to_the_processes_around_it(tmp_path: Path) -> None:
    with town(tmp_path, STAGE_WORKERS="2", CONTROL_WORKERS="1", DEPLOY_WORKERS="1", POLL_SECONDS="3600") as here:
        for act in (lose_redis, forget_all_rings, lose_clock_web_and_announcer, freeze_a_worker, lose_the_server):
            act(here)
        await_true(lambda: not here.leftovers(), 60, "the engine was not tidied")
        assert here.records.ask(questions.broken_logs) == []
        assert here.records.ask(questions.deliveries) == set(here.accepted)


def lose_redis(here: Town) -> None:
    """Killed in the middle of a run; a push comes while it is gone."""
    task, other = begun(here, "redis dies"), Task("pushed without redis", "without-redis")
    here.kill("redis")
    here.push(other)
    ended_well(here, task, other)


def forget_all_rings(here: Town) -> None:
    """Redis loses everything while one run goes on and the next waits for a worker."""
    task, other = begun(here, "redis forgets"), Task("pushed before redis forgot", "before-forgetting")
    here.push(other)
    with redis.Redis.from_url(f"unix://{here.server.state}/redis/redis.sock") as connection:
        connection.flushall()
    ended_well(here, task, other)


def lose_clock_web_and_announcer(here: Town) -> None:
    task = begun(here, "three die")
    for kind in ("clock", "web", "announce"):
        here.kill(kind)
    ended_well(here, task)


def freeze_a_worker(here: Town) -> None:
    """It sleeps for longer than its lease and wakes up when another worker has its run: it must not write any more."""
    task = begun(here, "a worker freezes", seconds=12.0)
    frozen = frozen_owner(here, task)
    os.kill(frozen, signal.SIGCONT)
    ended_well(here, task)
    run = next(run for run in here.records.ask(questions.runs) if run.title == task.key)
    assert run.attempts[0].fence == 2
    assert not run.attempts[0].owner.endswith(f":{frozen}")
    assert kind_of(frozen) == "stage"


def lose_the_server(here: Town) -> None:
    """The supervisor is killed, all others with it; the container goes on, and the next server hears it out."""
    task = begun(here, "all die", seconds=6.0)
    here.server.process.kill()
    here.server.process.wait()
    await_true(lambda: not here.server.processes(), 10, "processes outlived their supervisor")
    environment = {**os.environ, **here.server.settings, "DJANGO_SETTINGS_MODULE": "server.settings"}
    with (here.server.state / "server.log").open("ab") as log:
        again = subprocess.Popen([sys.executable, *UP], env=environment, cwd=Path(UP[0]).parent, stdout=log, stderr=log)
    try:
        ended_well(here, task)
        await_true(lambda: not here.leftovers(), 60, "the engine was not tidied")
    finally:
        again.terminate()
        again.wait(30)


def begun(here: Town, key: str, seconds: float = 3.0) -> Task:
    """A run in the middle of its output."""
    task = Task(key, key.replace(" ", "-"), seconds=seconds)
    here.push(task)
    await_true(lambda: b"line" in here.records.ask(questions.log_of, key), 60, f"{key} did not begin")
    return task


def ended_well(here: Town, *tasks: Task) -> None:
    """Wait for the tasks and hold them against what they should leave."""
    patience_seconds = (_NORMAL_SECONDS + _LATER_SECONDS) * slowness()
    for task in tasks:
        await_true(lambda task=task: has_ended(here, task), patience_seconds, f"{task.key} did not end")  # type: ignore[misc]
    runs = here.records.ask(questions.runs)
    for task in tasks:
        wrong = oracle.complaints(here, task, [run for run in runs if run.title == task.key])
        assert not wrong, f"{task.key}: {wrong}"


def has_ended(here: Town, task: Task) -> bool:
    statuses = here.records.ask(questions.statuses, task.key)
    return bool(statuses) and not {"queued", "running"} & set(statuses)


def frozen_owner(here: Town, task: Task) -> int:
    """Stop whoever owns the task's attempt until another has taken it over; returns the stopped process.

    One that stops in the middle of a transaction keeps everybody from writing: then it is woken, and stopped again.
    """
    for _ in range(5):
        owner = here.records.ask(questions.owner_of, task.key)
        assert owner is not None, "the attempt ended before its worker could be stopped"
        pid = int(owner[0].rpartition(":")[2])
        os.kill(pid, signal.SIGSTOP)
        try:
            await_true(lambda: was_taken_over(here, task), 1.5 * _LEASE_SECONDS * slowness(), "nobody took it over")
        except AssertionError:
            os.kill(pid, signal.SIGCONT)
        else:
            return pid
    raise AssertionError("no other worker took the attempt over")


def was_taken_over(here: Town, task: Task) -> bool:
    owner = here.records.ask(questions.owner_of, task.key)
    return owner is not None and owner[1] > 1
