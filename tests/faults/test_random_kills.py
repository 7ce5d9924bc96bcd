"""Kills random processes of a server at random moments while it works, and audits what it has left."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import oracle, questions
from tests.faults.points import Work
from tests.faults.questions import RunSeen
from tests.faults.town import Town, await_true, end, slowness, town
from tests.faults.work import Task

AT_ONCE = 6
PAUSE_SECONDS = 1.2  # between two kills, on average, on a quiet machine
SHOPS = ("shop-a", "shop-b")
_WORKS = (Work.PASSES, Work.CHAINS, Work.FAILS, Work.SHIPS, Work.BREAKS)


@pytest.mark.alone
def test_ten_random_kills_leave_no_trace(tmp_path: Path) -> None:
    survive(tmp_path, kills=10, seed=_seed(), STAGE_WORKERS="3", CONTROL_WORKERS="1")


@pytest.mark.faults
def test_two_hundred_random_kills_leave_no_trace(tmp_path: Path) -> None:
    survive(tmp_path, kills=int(os.environ.get("KILLS", "200")), seed=_seed())


def survive(directory: Path, *, kills: int, seed: int, **settings: str) -> None:
    """The story: a stream of pushes, a killer in it, and an audit when all has ended. SEED repeats its choices."""
    print(f"\nSEED={seed} KILLS={kills}")
    with town(directory, POLL_SECONDS="3", **settings) as here:
        here.make_environments(SHOPS)
        tasks = [Task(f"first of {shop}", shop, Work.SHIPS) for shop in SHOPS]
        for task in tasks:
            here.push(task)
        here.await_end(600)
        began_at = time.monotonic()
        with stream(here, random.Random(seed), tasks):
            killed = kill(here, random.Random(seed + 1), kills)
        here.await_end(900)
        took = time.monotonic() - began_at
        await_true(lambda: not here.leftovers(), 240, "the engine was not tidied")
        audit(here, tasks, killed, took)


def audit(here: Town, tasks: list[Task], killed: Counter[str], took_seconds: float) -> None:
    """Every commit a run exactly once, and each with all that it should have left, and nothing else."""
    runs = here.records.ask(questions.runs)
    print(table(runs, killed, took_seconds))
    by_title = {task.key: [run for run in runs if run.title == task.key] for task in tasks}
    wrong = {task.key: found for task in tasks if (found := oracle.complaints(here, task, by_title[task.key]))}
    assert not wrong
    assert len(runs) == len(tasks)
    assert here.records.ask(questions.deliveries) == set(here.accepted)
    assert here.records.ask(questions.broken_logs) == []
    assert not oracle.standing(here, here.records.ask(questions.current_releases))


@contextmanager
def stream(here: Town, choices: random.Random, tasks: list[Task]) -> Iterator[None]:
    """Push while the block lasts, as fast as the server works; what was pushed is added to `tasks`.

    Nobody waits for the web to come back: the server also finds by itself what was pushed.
    """
    over = threading.Event()
    broken: list[BaseException] = []
    told: list[Future[None]] = []

    def feed() -> None:
        try:
            with ThreadPoolExecutor(8) as messengers:
                while not over.is_set():
                    here.make_room(AT_ONCE)
                    task = _task(len(tasks), choices)
                    movement = here.commit(task)
                    tasks.append(task)
                    told.append(messengers.submit(here.announce, movement))
        except BaseException as error:
            broken.append(error)

    feeder = threading.Thread(target=feed, name="feeder")
    feeder.start()
    try:
        yield
    finally:
        over.set()
        feeder.join()
    for delivery in told:
        delivery.result()
    if broken:
        raise broken[0]


def kill(here: Town, choices: random.Random, kills: int) -> Counter[str]:
    """Kill that many processes; returns how many of which kind."""
    killed: Counter[str] = Counter()
    pause_seconds = PAUSE_SECONDS * min(slowness(), 3.0)
    while sum(killed.values()) < kills:
        time.sleep(choices.expovariate(1 / pause_seconds))
        if living := [(kind, pid) for kind, pid in here.processes() if kind]:
            kind, pid = choices.choice(living)
            end(pid)
            killed[kind] += 1
    return killed


def table(runs: list[RunSeen], killed: Counter[str], took_seconds: float) -> str:
    attempts = [attempt for run in runs for attempt in run.attempts]
    deploys = [deploy for run in runs for deploy in run.deploys]
    rows = {
        "killed": ", ".join(f"{kind} {count}" for kind, count in sorted(killed.items())),
        "runs": _counted(Counter(run.status for run in runs)),
        "deploys": _counted(Counter(f"{deploy.kind} {deploy.status}" for deploy in deploys)),
        "stages taken over": str(sum(attempt.fence - 1 for attempt in attempts)),
        "bytes of log": str(sum(len(attempt.log) for attempt in attempts)),
        "seconds": f"{took_seconds:.0f}",
    }
    return "\n".join(f"{name:18} {value}" for name, value in rows.items())


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _task(number: int, choices: random.Random) -> Task:
    work = choices.choice(_WORKS)
    is_shipped = work in (Work.SHIPS, Work.BREAKS)
    slug = choices.choice(SHOPS) if is_shipped else f"branch-{number}"
    return Task(f"task {number}", slug, work, seconds=choices.uniform(0.1, 2.0))


def _seed() -> int:
    return int(os.environ.get("SEED", "0")) or random.randrange(1, 10**6)
