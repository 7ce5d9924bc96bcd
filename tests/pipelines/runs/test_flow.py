"""Pure: what follows from where the stages of a run stand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipelines.runs.flow import ON_FAILURE, ON_SUCCESS, Standing, doomed, is_due, ready, unneeded, verdict
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


@pytest.mark.parametrize("bad", sorted(FINAL - {Status.SUCCEEDED, Status.SKIPPED}))
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


ALWAYS = (ON_SUCCESS, ON_FAILURE)


def _stage(name: str, status: Status, *needs: str, on: Sequence[str] = (ON_SUCCESS,), allow: bool = False) -> Standing:
    return Standing(name, status, needs, on, allow)


def test_a_failure_that_is_allowed_stops_nobody_and_spoils_no_verdict() -> None:
    lint = _stage("lint", Status.FAILED, allow=True)
    assert ready([lint, _stage("test", Status.PENDING, "lint")]) == ["test"]
    assert verdict([lint, _stage("test", Status.SUCCEEDED, "lint")]) == Status.SUCCEEDED


def test_what_waits_for_a_failure_starts_when_one_has_come_and_not_before() -> None:
    mourn = _stage("mourn", Status.PENDING, "test", on=(ON_FAILURE,))
    assert ready([_stage("test", Status.RUNNING), mourn]) == []
    assert ready([_stage("test", Status.FAILED), mourn]) == ["mourn"]
    assert doomed([_stage("test", Status.FAILED), mourn]) == {}


def test_what_waits_for_a_failure_is_not_needed_when_all_went_well() -> None:
    stages = [_stage("test", Status.SUCCEEDED), _stage("mourn", Status.PENDING, "test", on=(ON_FAILURE,))]
    assert (ready(stages), unneeded(stages)) == ([], ["mourn"])


def test_what_was_not_needed_stands_in_nobodys_way() -> None:
    stages = [
        _stage("test", Status.SUCCEEDED),
        _stage("mourn", Status.SKIPPED, "test", on=(ON_FAILURE,)),
        _stage("tell", Status.PENDING, "mourn"),
    ]
    assert ready(stages) == ["tell"]


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.CANCELLED])
def test_what_always_runs_starts_however_its_needs_ended(status: Status) -> None:
    assert ready([_stage("test", status), _stage("tidy", Status.PENDING, "test", on=ALWAYS)]) == ["tidy"]


def test_a_failure_is_heard_behind_stages_that_were_skipped_for_it() -> None:
    stages = [
        _stage("build", Status.FAILED),
        _stage("test", Status.SKIPPED, "build"),
        _stage("mourn", Status.PENDING, "test", on=(ON_FAILURE,)),
    ]
    assert ready(stages) == ["mourn"]


def test_what_tidies_up_waits_for_all_that_still_runs_before_it_though_a_stage_between_was_skipped() -> None:
    stages = [
        _stage("build", Status.FAILED),
        _stage("serve", Status.RUNNING),
        _stage("test", Status.SKIPPED, "build", "serve"),
        _stage("tidy", Status.PENDING, "test", on=ALWAYS),
    ]
    assert ready(stages) == []


@given(some.data())
def test_any_graph_comes_to_an_end_whatever_its_stages_do(data: some.DataObject) -> None:
    size = data.draw(some.integers(1, 8))
    needs = [data.draw(some.sets(some.integers(0, n - 1))) if n else set() for n in range(size)]
    on = [data.draw(some.sampled_from([(ON_SUCCESS,), (ON_FAILURE,), ALWAYS])) for _ in range(size)]
    allowed = [data.draw(some.booleans()) for _ in range(size)]
    ends = [Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.CANCELLED]
    status: dict[str, Status] = {str(n): Status.PENDING for n in range(size)}

    def standing() -> list[Standing]:
        return [Standing(str(n), status[str(n)], sorted(map(str, needs[n])), on[n], allowed[n]) for n in range(size)]

    while verdict(standing()) is None:
        fallen, spare, begun = doomed(standing()), unneeded(standing()), ready(standing())
        running = [name for name, now in status.items() if now == Status.RUNNING]
        assert not (fallen.keys() | set(spare)) & set(begun)
        assert fallen or spare or begun or running, "something always follows, or somebody is at work"
        assert is_due(standing()) is bool(fallen or spare or begun)
        for name in begun:
            assert all(status[str(need)] in FINAL for need in needs[int(name)])
        status.update(dict.fromkeys([*fallen, *spare], Status.SKIPPED))
        status.update(dict.fromkeys(begun, Status.RUNNING))
        for name in data.draw(some.sets(some.sampled_from(running), min_size=1)) if running else ():
            status[name] = data.draw(some.sampled_from(ends))
    bad = {name for name, now in status.items() if now not in (Status.SUCCEEDED, Status.SKIPPED)}
    spoiled = {name for name in bad if not (allowed[int(name)] and status[name] != Status.CANCELLED)}
    assert (verdict(standing()) == Status.SUCCEEDED) is (not spoiled)


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
