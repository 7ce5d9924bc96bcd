"""Portions and budgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.deploys.strategies import (
    BadStrategy,
    Caution,
    Decision,
    decide,
    is_worse,
    question_seconds,
    stricter,
    waves,
)
from pipelines.spec.model import StrategySpec
from pipelines.states.status import Status


def caution(at_once: int = 5, max_failures: int = 0, max_unreachable: int = 0) -> Caution:
    return Caution(at_once, max_failures, max_unreachable, on_breach="roll_back")


def sizes(plan: tuple[int | str, ...], hosts: int) -> list[int]:
    return [len(wave) for wave in waves(StrategySpec(waves=plan), range(hosts))]


@pytest.mark.parametrize(
    ("plan", "hosts", "expected"),
    [
        ((1, "25%", "rest"), 8, [1, 2, 5]),
        ((1, "10%", "50%", "rest"), 3, [1, 1, 1]),
        (("rest",), 5, [5]),
        ((), 3, [3]),
        ((2,), 5, [2, 2, 1]),
        (("25%",), 10, [3, 3, 3, 1]),
        ((1, 5), 3, [1, 2]),
        (("100%",), 4, [4]),
        (("1%",), 3, [1, 1, 1]),
        ((1, "rest"), 1, [1]),
        ((1, "rest"), 0, []),
    ],
)
def test_hosts_are_taken_in_waves(plan: tuple[int | str, ...], hosts: int, expected: list[int]) -> None:
    assert sizes(plan, hosts) == expected


WAVE = st.integers(1, 30) | st.integers(1, 100).map(lambda share: f"{share}%") | st.just("rest")


@given(st.lists(WAVE, max_size=5), st.lists(st.integers(), unique=True, max_size=60))
def test_every_host_is_in_exactly_one_wave_and_no_wave_is_empty(plan: list[int | str], hosts: list[int]) -> None:
    taken = waves(StrategySpec(waves=tuple(plan)), hosts)
    assert [host for wave in taken for host in wave] == hosts
    assert all(taken)


@pytest.mark.parametrize("wave", [0, -1, "0%", "101%", "all", "", "25", "2.5%"])
def test_a_wave_that_means_nothing_is_refused(wave: int | str) -> None:
    with pytest.raises(BadStrategy, match="number of hosts"):
        sizes((wave,), 3)


@pytest.mark.parametrize(
    ("results", "budget", "expected"),
    [
        ([], 0, Decision.GO_ON),
        ([Status.SUCCEEDED, Status.SKIPPED], 0, Decision.GO_ON),
        ([Status.FAILED], 0, Decision.STOP),
        ([Status.ERRORED], 0, Decision.STOP),
        ([Status.CANCELLED], 0, Decision.STOP),
        ([Status.FAILED, Status.SUCCEEDED], 1, Decision.GO_ON),
        ([Status.FAILED, Status.ERRORED], 1, Decision.STOP),
    ],
)
def test_a_deploy_stops_when_more_hosts_failed_than_it_may_lose(
    results: list[Status], budget: int, expected: Decision
) -> None:
    assert decide(results, 0, caution(max_failures=budget)) == expected


def test_unreachable_hosts_have_a_budget_of_their_own() -> None:
    assert decide([], 1, caution(max_failures=5)) == Decision.STOP
    assert decide([Status.FAILED], 2, caution(max_failures=1, max_unreachable=2)) == Decision.GO_ON
    assert decide([Status.FAILED], 0, caution(max_unreachable=2)) == Decision.STOP


def test_of_the_spec_and_the_environment_the_stricter_counts() -> None:
    place = caution(at_once=4, max_failures=3, max_unreachable=2)
    assert stricter(place, StrategySpec(parallel=9, max_failures=1), 10) == caution(4, 1, 2)
    assert stricter(place, StrategySpec(parallel=2, max_failures=9), 10) == caution(2, 3, 2)


@pytest.mark.parametrize(
    ("new", "old", "worse"),
    [
        ([1.0], [1.0], False),
        ([1.5, 9], [3.5], False),
        ([1.6, 1.6, 0], [1.0], True),
        ([1], [0], True),
        ([0], [0], False),
    ],
)
def test_new_hosts_are_worse_when_their_median_is_more_than_so_many_times_that_of_the_others(
    new: list[float], old: list[float], worse: bool
) -> None:
    assert is_worse(new, old, 1.5) is worse


@given(st.floats(0, 100_000))
def test_the_hosts_of_a_long_bake_are_asked_often_but_not_all_the_time(total: float) -> None:
    assert 1 <= question_seconds(total) <= 30
