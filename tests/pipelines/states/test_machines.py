"""Every machine, read as the table that it is."""

import pytest

from pipelines.deploys.machines import DEPLOY, HOST_DEPLOY
from pipelines.probes.models import PROBE
from pipelines.runs.machines import ATTEMPT, RUN, STAGE
from pipelines.states.machine import IllegalMove, Machine, machine
from pipelines.states.status import FINAL, Status, worst

# Where a row of each kind begins.
FIRST = [
    (RUN, {Status.QUEUED, Status.BLOCKED}),
    (STAGE, {Status.PENDING}),
    (ATTEMPT, {Status.RUNNING}),
    (DEPLOY, {Status.PENDING, Status.QUEUED}),
    (HOST_DEPLOY, {Status.PENDING}),
    (PROBE, {Status.QUEUED}),
]
MACHINES = [kind for kind, _ in FIRST]
each_machine = pytest.mark.parametrize("kind", MACHINES, ids=lambda kind: kind.name)


@each_machine
def test_a_final_status_has_no_way_out(kind: Machine) -> None:
    for old in FINAL:
        for new in Status:
            with pytest.raises(IllegalMove):
                kind.check(old, new)


@each_machine
def test_a_status_never_moves_to_itself(kind: Machine) -> None:
    assert all(old not in new for old, new in kind.moves.items())


@pytest.mark.parametrize(("kind", "first"), FIRST, ids=[kind.name for kind in MACHINES])
def test_every_status_is_reached_and_leads_to_an_end(kind: Machine, first: set[Status]) -> None:
    named = set(kind.moves) | {status for new in kind.moves.values() for status in new}
    assert _reachable(kind, first) == named
    for status in named - FINAL:
        assert _reachable(kind, {status}) & FINAL, f"a {kind.name} that is {status} can never end"


@each_machine
def test_what_runs_may_end_in_every_way_that_is_known(kind: Machine) -> None:
    ends = {Status.SUCCEEDED, Status.FAILED, Status.ERRORED}
    assert ends <= kind.moves[Status.RUNNING]


@each_machine
def test_success_is_only_reached_from_running(kind: Machine) -> None:
    taken_over = {Status.PENDING} if kind is STAGE else set()  # of a rerun: what succeeded before does not run again
    assert {old for old, new in kind.moves.items() if Status.SUCCEEDED in new} == {Status.RUNNING} | taken_over


def test_a_machine_whose_final_status_had_an_exit_cannot_be_made() -> None:
    with pytest.raises(IllegalMove, match="failed is final"):
        machine("toy", {Status.FAILED: {Status.QUEUED}})


def test_the_worst_part_is_the_verdict_of_the_whole_and_unknown_is_worse_than_no() -> None:
    assert worst([Status.SUCCEEDED, Status.SKIPPED]) == Status.SUCCEEDED
    assert worst([Status.SUCCEEDED, Status.CANCELLED]) == Status.CANCELLED
    assert worst([Status.CANCELLED, Status.FAILED]) == Status.FAILED
    assert worst([Status.FAILED, Status.ERRORED]) == Status.ERRORED


@pytest.mark.parametrize("statuses", [[], [Status.RUNNING], [Status.SUCCEEDED, Status.QUEUED]])
def test_there_is_no_verdict_before_the_end(statuses: list[Status]) -> None:
    with pytest.raises(ValueError):
        worst(statuses)


def _reachable(kind: Machine, first: set[Status]) -> set[Status]:
    seen: set[Status] = set()
    edge = set(first)
    while edge:
        seen |= edge
        edge = {new for old in edge for new in kind.moves.get(old, ())} - seen
    return seen
