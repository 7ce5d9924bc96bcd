"""When a project's code host is asked: by one at a time, those that answer before those that do not."""

import pytest

from pipelines.projects.models import Project
from pipelines.runs import polling
from pipelines.runs.models import Poll
from pipelines.states import leases
from pipelines.states.leases import LostLease
from tests.factories import make_project, make_sha
from tests.rivals import race

pytestmark = pytest.mark.django_db

MAIN = "refs/heads/main"
A, B = make_sha("a"), make_sha("b")


@pytest.fixture
def project() -> Project:
    return make_project()


def _claim() -> Poll:
    poll = polling.claim_next()
    assert poll is not None, "nobody is due"
    return poll


def _make_due() -> None:
    Poll.objects.update(due_at=leases.until(-1))


def test_a_new_project_is_asked_at_once_and_by_one(project: Project) -> None:
    assert _claim().project == project
    assert polling.claim_next() is None


def test_an_answer_sets_the_time_of_the_next_question(project: Project) -> None:
    polling.answered(_claim(), {MAIN: A}, 60)
    assert polling.claim_next() is None
    _make_due()
    polling.answered(_claim(), {MAIN: B}, 0)
    assert [run.sha for run in project.runs.all()] == [B]
    assert _claim().project == project


def test_whoever_died_while_asking_is_replaced_after_the_lease(project: Project) -> None:
    dead = _claim()
    _make_due()
    assert _claim().fence == dead.fence + 1


def test_an_answer_that_comes_after_another_began_to_ask_is_not_believed(project: Project) -> None:
    polling.answered(_claim(), {MAIN: A}, 0)
    late = _claim()
    _make_due()
    polling.answered(_claim(), {MAIN: B}, 0)
    with pytest.raises(LostLease):
        polling.answered(late, {MAIN: A}, 0)
    polling.unanswered(late, "too late", 0)
    assert [run.sha for run in project.runs.all()] == [B]
    assert polling.trouble(project) == ""


def test_the_reason_of_a_failure_stays_until_the_next_answer(project: Project) -> None:
    assert polling.trouble(project) == ""
    polling.unanswered(_claim(), "it refuses our token", 0)
    assert polling.trouble(project) == "it refuses our token"
    polling.answered(_claim(), {}, 60)
    assert polling.trouble(project) == ""


def test_a_first_question_without_an_answer_is_no_look(project: Project) -> None:
    polling.unanswered(_claim(), "it refuses our token", 0)
    polling.answered(_claim(), {MAIN: A}, 60)
    assert not project.runs.exists()


def test_those_that_answered_go_before_those_that_did_not(project: Project) -> None:
    polling.unanswered(_claim(), "it does not answer", 0)
    other = make_project()
    assert [_claim().project, _claim().project] == [other, project]


@pytest.mark.django_db(transaction=True)
def test_of_several_who_would_ask_each_gets_another_project() -> None:
    projects = [make_project() for _ in range(6)]
    claimed = race(8, lambda _: polling.claim_next())
    assert not [one for one in claimed if isinstance(one, Exception)]
    got = [one.project_id for one in claimed if isinstance(one, Poll)]
    assert sorted(got) == [project.pk for project in projects]
