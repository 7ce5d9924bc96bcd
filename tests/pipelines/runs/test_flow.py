"""Pure: what follows from where the stages of a run stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipelines.runs.flow import Standing, doomed, is_due, ready, verdict
from pipelines.states.status import FINAL, Status


def _chain(*statuses: Status) -> list[Standing]:
    """Stages 0, 1, 2 …, each needing the one before."""
    return [Standing(str(n), status, [str(n - 1)] if n else []) for n, status in enumerate(statuses)]


def test_a_stage_without_needs_is_ready_at_once() -> None:
    assert ready([Standing("a", Status.PENDING, []), Standing("b", Status.PENDING, [])]) == ["a", "b"]


def test_a_stage_is_ready_when_all_that_it_needs_has_succeeded() -> None:
    a, b = Standing("a", Status.SUCCEEDED, []), Standing("b", Status.RUNNING, [])
    c, d = Standing("c", Status.PENDING, ["a"]), Standing("d", Status.PENDING, ["a", "b"])
    assert ready([a, b, c, d]) == ["c"]


@pytest.mark.parametrize("bad", sorted(FINAL - {Status.SUCCEEDED}))
def test_what_needs_a_lost_stage_is_doomed_over_any_number_of_hands(bad: Status) -> None:
    assert doomed(_chain(bad, Status.PENDING, Status.PENDING, Status.PENDING)) == {"1": "0", "2": "1", "3": "2"}


def test_only_what_waits_is_doomed() -> None:
    a = Standing("a", Status.FAILED, [])
    others = [Standing("b", Status.RUNNING, ["a"]), Standing("c", Status.PENDING, [])]
    assert doomed([a, *others]) == {}


def test_the_verdict_waits_for_the_last_stage() -> None:
    assert verdict(_chain(Status.FAILED, Status.RUNNING)) is None
    assert verdict(_chain(Status.SUCCEEDED, Status.PENDING)) is None


def test_the_verdict_is_the_worst_and_skipped_stages_say_nothing() -> None:
    assert verdict(_chain(Status.SUCCEEDED, Status.SKIPPED)) == Status.SUCCEEDED
    assert verdict(_chain(Status.FAILED, Status.SKIPPED)) == Status.FAILED
    assert verdict(_chain(Status.FAILED, Status.ERRORED, Status.CANCELLED)) == Status.ERRORED


def test_a_run_in_which_nothing_applied_has_succeeded() -> None:
    assert verdict(_chain(Status.SKIPPED, Status.SKIPPED)) == Status.SUCCEEDED
    assert verdict([]) == Status.SUCCEEDED


@given(some.data())
def test_any_graph_comes_to_an_end_whatever_its_stages_do(data: some.DataObject) -> None:
    size = data.draw(some.integers(1, 8))
    needs = [data.draw(some.sets(some.integers(0, n - 1))) if n else set() for n in range(size)]
    status: dict[str, Status] = {str(n): Status.PENDING for n in range(size)}

    def standing() -> list[Standing]:
        return [Standing(str(n), status[str(n)], sorted(map(str, needs[n]))) for n in range(size)]

    for _ in range(2 * size):
        fallen, begun = doomed(standing()), ready(standing())
        assert not fallen.keys() & set(begun)
        status.update(dict.fromkeys(fallen, Status.SKIPPED))
        for name in begun:
            assert all(status[str(need)] == Status.SUCCEEDED for need in needs[int(name)])
            status[name] = data.draw(some.sampled_from([Status.SUCCEEDED, Status.FAILED]))
    assert verdict(standing()) is not None


@pytest.mark.parametrize(
    ("statuses", "due"),
    [
        ([Status.PENDING], True),
        ([Status.SUCCEEDED, Status.PENDING], True),
        ([Status.FAILED, Status.PENDING], True),
        ([Status.SUCCEEDED, Status.SUCCEEDED], True),
        ([Status.RUNNING, Status.PENDING], False),
        ([Status.SUCCEEDED, Status.QUEUED, Status.PENDING], False),
    ],
    ids=["a first to queue", "a next to queue", "one to skip", "a verdict", "it runs", "it waits"],
)
def test_something_is_due_when_a_stage_or_the_run_has_to_be_moved(statuses: list[Status], due: bool) -> None:
    assert is_due(_chain(*statuses)) is due
