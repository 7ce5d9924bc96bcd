"""The four figures of delivery, over histories that are known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.deploys.models import Deploy, Environment, OnBreach
from pipelines.deploys.reads import delivery
from pipelines.deploys.reads.delivery import Went
from pipelines.runs.models import Run
from pipelines.states.status import Status
from tests.factories import finish_deploy, make_deploy, make_environment, make_live, make_release, make_rollback

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def went(hours: float, number: int, replaced: int | None, **fields: Any) -> Went:
    known: dict[str, Any] = {"kind": "deploy", "good": True, "touched": True, **fields}
    return Went(number=number, replaced=replaced, ended_at=MONDAY + hours * HOUR, **known)


def pushed(*hours: float) -> tuple[datetime, ...]:
    return tuple(MONDAY + at * HOUR for at in hours)


STORY = [
    went(1, 1, None, pushed_at=pushed(0)),
    went(10, 2, 1, pushed_at=pushed(7)),
    went(20, 3, 2, good=False),  # failed, undone by itself, mended by 4
    went(21, 2, 2, kind="rollback"),
    went(30, 4, 2, pushed_at=pushed(12, 28)),
    went(36, 2, 4, kind="rollback"),  # 4 was bad after all
    went(40, 5, 2, good=False, touched=False),  # nobody noticed
    went(50, 6, 2, pushed_at=pushed(45)),
]


def test_the_four_figures_of_a_known_week() -> None:
    found = delivery.figures(STORY, MONDAY, MONDAY + timedelta(days=7))
    assert (found.changes, found.deploys) == (5, 4)  # 1, 2, 3, 4 and 6; of them 3 failed
    assert found.lead_seconds == 3 * 3600  # of 1, 3, 18, 2 and 5 hours
    assert (found.failed, found.failed_percent) == (2, 40)  # 3 failed, 4 was rolled back
    assert found.restore_seconds == 3.5 * 3600  # 1 hour and 6 hours
    assert found.open_since is None


def test_a_stretch_counts_what_ended_in_it_though_it_was_restored_later() -> None:
    found = delivery.figures(STORY, MONDAY + 15 * HOUR, MONDAY + 20.5 * HOUR)
    assert (found.changes, found.deploys, found.failed) == (1, 0, 1)
    assert found.restore_seconds == 3600


def test_what_cannot_be_said_is_not_said() -> None:
    found = delivery.figures([], MONDAY, MONDAY + HOUR)
    assert (found.changes, found.lead_seconds, found.failed_percent, found.restore_seconds) == (0, None, None, None)


def test_a_failure_that_nothing_has_mended_is_open() -> None:
    found = delivery.figures([went(1, 1, None), went(2, 2, 1, good=False)], MONDAY, MONDAY + 9 * HOUR)
    assert found.open_since == MONDAY + 2 * HOUR
    assert found.restore_seconds is None


def test_the_undoing_of_a_failed_deploy_does_not_count_against_what_it_brings_back() -> None:
    assert [failure.at for failure in delivery.failures(STORY[:4])] == [MONDAY + 20 * HOUR]


def test_weeks_end_now_and_follow_each_other() -> None:
    found = delivery.weeks(MONDAY, 3)
    assert found[-1] == (MONDAY - timedelta(days=7), MONDAY)
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]


@pytest.fixture
def production() -> Environment:
    return make_environment(on_breach=OnBreach.ROLL_BACK)


@pytest.mark.django_db
def test_the_ledger_tells_what_each_deploy_brought_for_the_first_time(production: Environment) -> None:
    first = make_live(production).release
    skipped = make_release(production.project)
    second = make_live(production).release
    failed = finish_deploy(make_deploy(production), Status.FAILED)
    finish_deploy(failed.undone_by)
    finish_deploy(make_rollback(production, first))
    make_live(production, second)
    made = delivery.story(production)
    runs = {run.release.number: run.created_at for run in Run.objects.exclude(release=None)}
    assert [(one.kind, one.number, one.good) for one in made] == [
        ("deploy", first.number, True),
        ("deploy", second.number, True),
        ("deploy", failed.release.number, False),
        ("rollback", second.number, True),
        ("rollback", first.number, True),
        ("deploy", second.number, True),
    ]
    assert made[1].pushed_at == (runs[skipped.number], runs[second.number])
    assert made[-1].pushed_at == ()  # it had been live before
    assert len(delivery.failures(made)) == 2


@pytest.mark.django_db
def test_what_a_person_stopped_and_what_runs_are_not_in_the_ledger(production: Environment) -> None:
    finish_deploy(make_deploy(production), Status.CANCELLED)
    make_deploy(production)
    assert delivery.story(production) == []
    assert Deploy.objects.count() >= 2
    assert delivery.figures(delivery.story(production), timezone.now() - HOUR, timezone.now()).changes == 0
