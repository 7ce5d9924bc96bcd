"""The one function that changes a status."""

from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction

from pipelines.errors import LostRace
from pipelines.runs.models import Run
from pipelines.states.machine import IllegalMove
from pipelines.states.models import Transition
from pipelines.states.signals import transitioned
from pipelines.states.status import Status
from pipelines.states.transitions import transition
from tests.factories import make_run
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _ledger(run: Run) -> list[tuple[str, str]]:
    rows = Transition.objects.filter(subject_kind="run", subject_id=run.pk).order_by("pk")
    return list(rows.values_list("from_status", "to_status"))


def test_a_change_writes_status_reason_time_and_ledger() -> None:
    run = make_run(spec=None)
    row = transition(run, Status.CANCELLED, actor="ada (#1)", reason="not needed")
    stored = Run.objects.get(pk=run.pk)
    assert (stored.status, stored.reason, run.status) == (Status.CANCELLED, "not needed", Status.CANCELLED)
    assert stored.finished_at is not None
    assert stored.started_at is None
    assert (row.actor, row.reason) == ("ada (#1)", "not needed")
    assert _ledger(run) == [("", "queued"), ("queued", "cancelled")]


def test_whoever_comes_second_has_lost_and_writes_nothing() -> None:
    run = make_run(spec=None)
    stale = Run.objects.get(pk=run.pk)
    transition(run, Status.CANCELLED)
    with pytest.raises(LostRace):
        transition(stale, Status.RUNNING)
    assert Run.objects.get(pk=run.pk).status == Status.CANCELLED
    assert _ledger(run) == [("", "queued"), ("queued", "cancelled")]


def test_a_move_that_the_table_does_not_have_is_refused() -> None:
    run = make_run(spec=None)
    with pytest.raises(IllegalMove):
        transition(run, Status.SUCCEEDED)
    assert _ledger(run) == [("", "queued")]


@pytest.mark.django_db(transaction=True)
def test_it_is_announced_after_the_commit_and_never_before() -> None:
    run = make_run(spec=None)
    heard: list[str] = []

    def hear(transition: Transition, **_: Any) -> None:
        heard.append(transition.to_status)

    transitioned.connect(hear)
    try:
        with transaction.atomic():
            transition(run, Status.CANCELLED)
            assert heard == []
        assert heard == ["cancelled"]
    finally:
        transitioned.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_announced() -> None:
    run = make_run(spec=None)
    heard: list[str] = []

    def hear(transition: Transition, **_: Any) -> None:
        heard.append(transition.to_status)

    transitioned.connect(hear)
    try:
        with suppress(ZeroDivisionError), transaction.atomic():
            transition(run, Status.CANCELLED)
            raise ZeroDivisionError
    finally:
        transitioned.disconnect(hear)
    assert heard == []
    assert Run.objects.get(pk=run.pk).status == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_breaks_takes_nothing_back_and_the_others_hear() -> None:
    run = make_run(spec=None)
    heard: list[str] = []

    def breaks(**_: Any) -> None:
        raise ZeroDivisionError

    def hear(transition: Transition, **_: Any) -> None:
        heard.append(transition.to_status)

    transitioned.connect(breaks)
    transitioned.connect(hear)
    try:
        with transaction.atomic():
            transition(run, Status.CANCELLED)
    finally:
        transitioned.disconnect(breaks)
        transitioned.disconnect(hear)
    assert heard == ["cancelled"]
    assert Run.objects.get(pk=run.pk).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_of_ten_rivals_one_moves_the_row_and_the_ledger_has_one_line() -> None:
    run = make_run(spec=None)

    def move(number: int) -> None:
        with transaction.atomic():
            transition(Run.objects.get(pk=run.pk), Status.CANCELLED, actor=f"rival {number}")

    results = race(10, move)
    assert results.count(None) == 1
    assert _ledger(run) == [("", "queued"), ("queued", "cancelled")]
