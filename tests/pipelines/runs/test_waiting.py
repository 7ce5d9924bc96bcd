"""Why a stage has not begun, in words."""

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.runs import approvals, lifecycle
from pipelines.runs.models import Run, Stage
from pipelines.runs.waiting import Facts, Fleet, waiting, words
from pipelines.spec.model import ApprovalSpec, ConcurrencySpec, RetrySpec
from pipelines.states.status import Status
from tests.factories import make_person, make_project, make_run, make_spec, make_stage_spec, start_stage

GPU = Fleet([frozenset({"gpu"})], free=0, total=1)
FOUR = Fleet([frozenset()] * 4, free=0, total=4)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (Facts(Status.PENDING, needs=["build"]), "waits for build"),
        (Facts(Status.PENDING, needs=["build", "lint"]), "waits for build and lint"),
        (Facts(Status.PENDING, needs=list("abcde")), "waits for a, b, c and 2 more"),
        (Facts(Status.PENDING), ""),
        (Facts(Status.BLOCKED, approvals=1, teams=["ops"]), "approval by ops"),
        (Facts(Status.BLOCKED, approvals=2, agreed=1, teams=["ops", "sre"]), "approval by ops or sre (1 of 2)"),
        (Facts(Status.BLOCKED, approvals=1), "approval"),
        (Facts(Status.QUEUED, group="deploy", group_ahead=2), "2 ahead in group deploy"),
        (Facts(Status.QUEUED, run_group="main", runs_ahead=1, group_ahead=3), "1 run ahead in group main"),
        (Facts(Status.QUEUED, ready_in_seconds=11.6), "tried again in 12 s"),
        (Facts(Status.QUEUED, labels=["gpu"], fleet=FOUR), "no runner with label gpu"),
        (Facts(Status.QUEUED, labels=["gpu", "arm"], fleet=GPU), "no runner with label arm"),
        (Facts(Status.QUEUED, fleet=Fleet([], 0, 0)), "no runner is there"),
        (Facts(Status.QUEUED, queue_ahead=3, fleet=FOUR), "all 4 runners are busy, 3 stages ahead"),
        (Facts(Status.QUEUED, fleet=GPU), "the only runner is busy"),
        (Facts(Status.QUEUED, fleet=Fleet([frozenset()], 1, 1)), ""),
        (Facts(Status.QUEUED, queue_ahead=1), "1 stage ahead"),
        (Facts(Status.QUEUED, is_unseen=True, group_ahead=1), "approval of its commit"),
        (Facts(Status.RUNNING), ""),
    ],
)
def test_each_thing_that_holds_a_stage_back_has_its_words(facts: Facts, text: str) -> None:
    assert words(facts) == text


def test_two_labels_that_no_runner_has_together_are_both_named() -> None:
    fleet = Fleet([frozenset({"gpu"}), frozenset({"arm"})], free=2, total=2)
    assert words(Facts(Status.QUEUED, labels=["gpu", "arm"], fleet=fleet)) == "no runner with labels gpu and arm"


def _told(run: Run, fleet: Fleet | None = None) -> dict[str, str]:
    stages = list(run.stages.select_related("run").order_by("position"))
    told = waiting(stages, fleet)
    return {stage.name: told[stage.pk] for stage in stages if stage.pk in told}


@pytest.mark.django_db
def test_a_run_in_progress_says_of_each_stage_what_it_waits_for() -> None:
    gate = ApprovalSpec(teams=("ops",), count=2)
    project = make_project()
    spec = make_spec(
        make_stage_spec("build"),
        make_stage_spec("gate", approval=gate),
        make_stage_spec("test", "build"),
        make_stage_spec("deploy", concurrency=ConcurrencySpec("deploy")),
    )
    start_stage(make_run(project, spec=spec), "deploy")
    run = make_run(project, spec=spec, actor="somebody")
    start_stage(run, "build")
    assert _told(run, Fleet([frozenset()], 1, 1)) == {
        "gate": "approval by ops (0 of 2)",
        "test": "waits for build",
        "deploy": "1 ahead in group deploy",
    }


@pytest.mark.django_db
def test_it_is_counted_who_has_agreed() -> None:
    run = make_run(spec=make_spec(make_stage_spec("gate", approval=ApprovalSpec(count=2))), actor="somebody")
    ana = make_person()
    approvals.approve(run.stages.get(), ana, f"ana (#{ana.pk})")
    assert _told(run) == {"gate": "approval (1 of 2)"}


@pytest.mark.django_db
def test_a_stage_that_is_tried_again_says_when() -> None:
    run = make_run(spec=make_spec(make_stage_spec("test", retry=RetrySpec())))
    lifecycle.finish_attempt(start_stage(run), Status.ERRORED, reason="the engine is gone")
    assert _told(run)["test"].startswith("tried again in ")


@pytest.mark.django_db
def test_what_has_ended_or_runs_waits_for_nothing() -> None:
    run = make_run(spec=make_spec(make_stage_spec("test")))
    start_stage(run)
    assert _told(run) == {}


@pytest.mark.django_db
def test_the_words_take_as_many_queries_however_many_stages_there_are(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    group = ConcurrencySpec("g")
    spec = make_spec(*(make_stage_spec(f"s{n}", concurrency=group) for n in range(12)), concurrency=group)
    run = make_run(spec=spec)
    stages = list(Stage.objects.filter(run=run).select_related("run"))
    with django_assert_max_num_queries(5):
        assert len(waiting(stages)) == 12 - 1
