"""Who is there, who may be given what, who shall be given nothing more."""

import pytest

from pipelines.audit.models import Act
from pipelines.roster import lifecycle, queries
from pipelines.roster.lifecycle import FORGOTTEN_SECONDS, GONE_SECONDS, NobodyThere
from pipelines.roster.models import Kind, Runner
from pipelines.states import leases

pytestmark = pytest.mark.django_db

ANA = "ana (#3)"


def _come(host: str = "north", pid: int = 7, labels: tuple[str, ...] = (), kind: Kind = Kind.STAGE) -> Runner:
    return lifecycle.register(host, pid, kind, labels, "1.0")


def _silent(runner: Runner, seconds: float) -> None:
    Runner.objects.filter(pk=runner.pk).update(seen_at=leases.until(-seconds))


def test_a_runner_that_is_silent_is_taken_for_gone_and_later_forgotten() -> None:
    runner = _come()
    assert list(queries.alive(Kind.STAGE)) == [runner]
    _silent(runner, GONE_SECONDS + 1)
    assert not queries.alive(Kind.STAGE)
    assert [one.is_there for one in queries.everyone()] == [False]
    assert lifecycle.forget() == 0
    _silent(runner, FORGOTTEN_SECONDS + 1)
    assert lifecycle.forget() == 1


def test_a_runner_that_was_taken_for_gone_is_back_with_its_next_beat() -> None:
    runner = _come()
    _silent(runner, GONE_SECONDS + 1)
    assert lifecycle.beat(runner)
    assert list(queries.alive()) == [runner]


def test_a_runner_that_was_forgotten_is_told_to_register_again() -> None:
    runner = _come()
    lifecycle.retire(runner)
    assert not lifecycle.beat(runner)


def test_a_runner_with_the_name_of_a_dead_one_takes_its_place() -> None:
    _silent(_come(), 20)
    again = _come(labels=("gpu",))
    assert [one.runner.pk for one in queries.everyone()] == [again.pk]


def test_a_stage_is_for_those_who_have_all_its_labels() -> None:
    _come(pid=1)
    gpu, big = _come(pid=2, labels=("gpu",)), _come(pid=3, labels=("gpu", "big"))
    _come(pid=4, labels=("gpu", "big"), kind=Kind.DEPLOY)
    assert queries.with_labels(["gpu"]) == [gpu, big]
    assert queries.with_labels(["gpu", "big"]) == [big]
    assert queries.with_labels(["arm"]) == []


def test_a_draining_runner_is_given_nothing_and_may_work_again() -> None:
    one, other = _come(pid=1), _come(pid=2)
    lifecycle.drain("north:1", ANA)
    assert (lifecycle.is_draining(one), lifecycle.is_draining(other)) == (True, False)
    assert queries.with_labels([]) == [other]
    lifecycle.undrain("north:1", ANA)
    assert not lifecycle.is_draining(one)


def test_of_a_draining_host_also_those_drain_that_start_later() -> None:
    _come(pid=1)
    south = _come("south")
    lifecycle.drain("north", ANA)
    later = _come(pid=2)
    assert lifecycle.is_draining(later)
    assert not lifecycle.is_draining(south)
    assert queries.with_labels([]) == [south]
    lifecycle.undrain("north", ANA)
    assert not lifecycle.is_draining(later)


def test_one_runner_of_a_draining_host_cannot_be_let_work_again() -> None:
    _come(pid=1)
    lifecycle.drain("north", ANA)
    with pytest.raises(NobodyThere, match="let the whole host work again"):
        lifecycle.undrain("north:1", ANA)


def test_only_those_that_were_there_when_it_was_asked_for_leave() -> None:
    one = _come(pid=1)
    lifecycle.drain("north", ANA, leave=True)
    assert lifecycle.leaves(one)
    assert not lifecycle.leaves(_come(pid=2))


def test_who_drains_somebody_is_noted() -> None:
    _come()
    lifecycle.drain("north", ANA)
    lifecycle.undrain("north", ANA)
    assert list(Act.objects.values_list("actor", "verb", "subject")) == [
        (ANA, "drained", "north"),
        (ANA, "let work again", "north"),
    ]


def test_nobody_can_be_drained_who_is_not_there() -> None:
    with pytest.raises(NobodyThere, match="no runner and no host 'east'"):
        lifecycle.drain("east", ANA)
