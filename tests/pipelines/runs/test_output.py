"""What an attempt prints: stored under its fence, folded by its marks."""

import pytest

from pipelines.errors import LostRace
from pipelines.logs import store
from pipelines.logs.marks import StepMark
from pipelines.logs.models import Chunk, Log
from pipelines.runs import lifecycle, output
from pipelines.runs.models import Attempt, Step
from pipelines.states import leases
from pipelines.states.leases import LostLease
from tests.factories import make_run, start_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt() -> Attempt:
    return start_stage(make_run(), "build")


def _text(attempt: Attempt) -> bytes:
    return b"".join(store.read(Log.objects.get(pk=attempt.log_id)))


def test_output_and_marks_are_stored_together(attempt: Attempt) -> None:
    begins, ends = StepMark(0, 0, begins=True), StepMark(0, 6, begins=False, exit_code=3)
    output.append(attempt, b"hello\n", 40, [begins, ends])
    step = Step.objects.get(attempt=attempt)
    assert (step.begins_at_byte, step.ends_at_byte, step.exit_code) == (0, 6, 3)
    assert step.finished_at is not None
    assert _text(attempt) == b"hello\n"
    assert attempt.log.raw_size == 40


def test_storing_output_prolongs_the_lease(attempt: Attempt) -> None:
    leases.let_go(Attempt.objects.filter(pk=attempt.pk), attempt.fence)
    output.append(attempt, b"x", 1)
    assert not Attempt.objects.filter(leases.expired(), pk=attempt.pk).exists()


def test_a_mark_that_comes_twice_is_forged_and_the_first_counts(attempt: Attempt) -> None:
    true = [StepMark(0, 1, begins=True), StepMark(0, 5, begins=False, exit_code=1)]
    forged = [StepMark(0, 12, begins=True), StepMark(0, 15, begins=False, exit_code=0)]
    output.append(attempt, b"0123456789", 10, true)
    output.append(attempt, b"0123456789", 20, forged)
    step = Step.objects.get(attempt=attempt)
    assert (step.begins_at_byte, step.ends_at_byte, step.exit_code) == (1, 5, 1)


def test_the_end_of_a_step_that_never_began_is_ignored(attempt: Attempt) -> None:
    output.append(attempt, b"x", 1, [StepMark(4, 1, begins=False, exit_code=0)])
    assert not Step.objects.exists()


def test_after_a_takeover_the_former_owners_output_is_refused_whole(attempt: Attempt) -> None:
    output.append(attempt, b"before\n", 7)
    leases.let_go(Attempt.objects.filter(pk=attempt.pk), attempt.fence)
    taken = lifecycle.claim_stage(attempt.stage_id, "rival").attempt
    with pytest.raises(LostLease):
        output.append(attempt, b"late\n", 12, [StepMark(0, 0, begins=True)])
    output.append(taken, b"after\n", 13)
    assert _text(attempt) == b"before\nafter\n"
    assert not Step.objects.exists()
    assert Chunk.objects.filter(log=attempt.log).count() == 2


def test_the_new_owner_knows_where_the_former_one_stopped(attempt: Attempt) -> None:
    output.append(attempt, b"masked", 90)
    leases.let_go(Attempt.objects.filter(pk=attempt.pk), attempt.fence)
    taken = lifecycle.claim_stage(attempt.stage_id, "rival").attempt
    assert (taken.log.size, taken.log.raw_size) == (6, 90)


def test_an_append_whose_log_has_moved_stores_neither_text_nor_marks(attempt: Attempt) -> None:
    stale = Attempt.objects.get(pk=attempt.pk)
    assert stale.log.size == 0
    output.append(attempt, b"one\n", 4)
    with pytest.raises(LostRace):
        output.append(stale, b"two\n", 4, [StepMark(0, 0, begins=True)])
    assert not Step.objects.exists()
    assert _text(attempt) == b"one\n"
