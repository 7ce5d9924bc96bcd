"""Kills a process at each of the named points, and looks whether anybody could tell afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.runs.lifecycle import LEASE_SECONDS
from runners.queue.clock import RECONCILE_SECONDS
from tests.faults import oracle, questions
from tests.faults.points import POINTS, Point, Work
from tests.faults.questions import RunSeen
from tests.faults.town import Town, await_true, town
from tests.faults.work import Task

pytestmark = pytest.mark.alone

# What matters is that it is taken over, once its lease has run out and the clock has looked: on a quiet machine in
# twice that time at most, and on a busy one at all. Each figure is printed.
RECOVERY_SECONDS_MAX = 20 * (LEASE_SECONDS + RECONCILE_SECONDS)
AT_ONCE = 7
_ARMED = ("-m", "tests.faults.armed_server")
_WORKERS = {"STAGE_WORKERS": "4", "CONTROL_WORKERS": "2", "DEPLOY_WORKERS": "3", "POLL_SECONDS": "3600"}


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one point."""

    point: Point
    recovery_seconds: float | None
    took_seconds: float | None
    complaints: Sequence[str]

    def __str__(self) -> str:
        recovery = "-" if self.recovery_seconds is None else f"{self.recovery_seconds:5.1f} s"
        took = "-" if self.took_seconds is None else f"{self.took_seconds:5.1f} s"
        verdict = "; ".join(self.complaints) or "as if nothing had happened"
        return f"{self.point.process:8} {self.point.name:34} {recovery:>8} {took:>8}  {verdict}"


def test_whatever_is_killed_at_a_named_point_the_run_ends_as_it_would_have(tmp_path: Path) -> None:
    tell([point for point in POINTS if point.is_short and point.work is not Work.CHAINS], tmp_path)


@pytest.mark.faults
def test_whatever_is_killed_at_any_named_point_the_run_ends_as_it_would_have(tmp_path: Path) -> None:
    tell([point for point in POINTS if point.work is not Work.CHAINS], tmp_path)


def test_whatever_is_killed_around_a_container_made_ahead_the_run_ends_as_it_would_have(tmp_path: Path) -> None:
    """One after the other: nothing is made ahead while others wait for a worker."""
    tell([point for point in POINTS if point.work is Work.CHAINS], tmp_path, at_once=1)


def tell(points: Sequence[Point], directory: Path, at_once: int = AT_ONCE) -> None:
    """The story: push a commit for every point, a few at a time, wait for the end of all, and judge each."""
    with town(directory, program=_ARMED, **_WORKERS) as here:
        tasks = [task_of(place, point) for place, point in enumerate(points)]
        here.make_environments([task.slug for task in tasks if task.is_shipped])
        before = [Task(f"before {task.key}", task.slug, Work.SHIPS) for task in tasks if task.work is Work.BREAKS]
        for task in before:
            here.push(task)
        here.await_end(600)
        for task in tasks:
            here.make_room(at_once)
            here.push(task)
            if task.work is Work.STOPPED:
                here.await_output(task)
                here.records.ask(questions.cancel, task.key)
        here.await_end(600)
        cleared = await_true(lambda: not here.leftovers(), 240, "the engine was not tidied")
        runs = here.records.ask(questions.runs)
        told = [judged(here, point, task, runs) for point, task in zip(points, tasks, strict=True)]
        print("", *told, f"the engine was tidy {cleared:.1f} s later", sep="\n")
        assert not [str(each) for each in told if each.complaints]
        assert not oracle.standing(here, here.records.ask(questions.current_releases))
        assert here.records.ask(questions.deliveries) == set(here.accepted)


def task_of(place: int, point: Point) -> Task:
    """The commit that a point waits for; each has a branch, and an environment, of its own."""
    return Task(point.name, f"point-{place}", point.work, seconds=30.0 if point.work is Work.STOPPED else 0.6)


def judged(here: Town, point: Point, task: Task, runs: Sequence[RunSeen]) -> Told:
    own = [run for run in runs if run.ref == task.ref and run.title == task.key]
    wrong = oracle.complaints(here, task, own)
    killed_at = moments(here, f"{point.name}.killed")
    if not killed_at:
        return Told(point, None, None, ["nobody was killed", *wrong])
    recovery = recovery_seconds(here, point, killed_at[0], own)
    if recovery is None or recovery > RECOVERY_SECONDS_MAX:
        wrong.append("nobody took it over in time")
    return Told(point, recovery, took_seconds(own), wrong)


def recovery_seconds(here: Town, point: Point, killed_at: float, own: Sequence[RunSeen]) -> float | None:
    """From the kill until somebody went on: began the work again, or brought the run to its end without."""
    ends = [run.finished_at for run in own] + [deploy.finished_at for run in own for deploy in run.deploys]
    later = [end.timestamp() for end in ends if end] + moments(here, f"{point.name}.begun")
    after = [moment - killed_at for moment in later if moment > killed_at]
    return min(after) if after else (0.0 if later else None)


def took_seconds(own: Sequence[RunSeen]) -> float | None:
    ends = [run.finished_at for run in own] + [deploy.finished_at for run in own for deploy in run.deploys]
    known = [end for end in ends if end]
    return (max(known) - own[0].created_at).total_seconds() if known else None


def moments(here: Town, name: str) -> list[float]:
    file = here.server.state / "kills" / name
    return [float(line) for line in file.read_text().split()] if file.exists() else []
