"""Which queued stage is next, and on which runner."""

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.errors import LostRace
from pipelines.runs import lifecycle, turns
from pipelines.runs.models import Run, Stage
from pipelines.spec.model import ConcurrencySpec
from pipelines.states.status import Status
from tests.factories import make_project, make_run, make_spec, make_stage_spec, start_stage

pytestmark = pytest.mark.django_db


def _named(run: Run, name: str) -> int:
    return Stage.objects.get(run=run, name=name).pk


def test_a_stage_with_labels_is_only_given_to_a_runner_that_has_all_of_them() -> None:
    run = make_run(spec=make_spec(make_stage_spec("train", labels=("gpu", "large"))))
    stage = _named(run, "train")
    assert turns.next_stage(["gpu"]) is None
    with pytest.raises(LostRace, match="gpu, large"):
        lifecycle.claim_stage(stage, "worker")
    with pytest.raises(LostRace, match="with large"):
        lifecycle.claim_stage(stage, "worker", ["gpu"])
    assert turns.next_stage(["arm", "large", "gpu"]) == stage
    assert lifecycle.claim_stage(stage, "worker", ["arm", "large", "gpu"]).attempt.number == 1


def test_a_runner_with_labels_also_takes_what_asks_for_none() -> None:
    run = make_run(spec=make_spec(make_stage_spec("test")))
    assert turns.next_stage(["gpu"]) == _named(run, "test")


def test_the_run_that_holds_the_fewest_workers_has_its_turn() -> None:
    wide = make_run(spec=make_spec(*(make_stage_spec(f"s{n}") for n in range(3))))
    other = make_run(spec=make_spec(make_stage_spec("only")))
    assert turns.next_stage([]) == _named(wide, "s0")
    start_stage(wide, "s0")
    assert turns.next_stage([]) == _named(other, "only")
    start_stage(other, "only")
    assert turns.next_stage([]) == _named(wide, "s1")
    assert turns.next_stage([], [_named(wide, "s1")]) == _named(wide, "s2")


def test_who_dies_over_a_stage_with_labels_is_replaced_only_by_a_runner_that_has_them() -> None:
    run = make_run(spec=make_spec(make_stage_spec("train", labels=("gpu",))))
    claim = lifecycle.claim_stage(_named(run, "train"), "worker", ["gpu"])
    lifecycle.let_go(claim.attempt)
    with pytest.raises(LostRace):
        lifecycle.claim_stage(claim.attempt.stage_id, "other")
    assert lifecycle.claim_stage(claim.attempt.stage_id, "other", ["gpu"]).resumed


def test_looking_for_the_next_takes_as_many_queries_however_many_wait(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    project = make_project()
    spec = make_spec(
        *(make_stage_spec(f"s{n}", concurrency=ConcurrencySpec(f"g{n}")) for n in range(4)),
        concurrency=ConcurrencySpec("all", limit=50),
    )
    for _ in range(3):
        make_run(project, spec=spec)
    with django_assert_max_num_queries(4):
        assert turns.next_stage([]) is not None


def test_a_run_that_is_to_stop_has_no_turn() -> None:
    run = make_run(spec=make_spec(make_stage_spec("test")))
    lifecycle.cancel(run, "ada (#1)")
    assert turns.next_stage([]) is None
    assert Run.objects.get(pk=run.pk).status == Status.CANCELLED
