"""What is of the whole server can be watched by those whom it concerns."""

import pytest
from django.contrib.auth.models import AnonymousUser

from pipelines.audit.record import record
from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind
from pipelines.states.signals import progressed
from server.live import subjects
from server.live.subjects import Subject
from tests.factories import make_operator, make_person, make_project

pytestmark = pytest.mark.django_db(transaction=True)

RUNNERS, AUDIT = Subject("runners", 0), Subject("audit", 0)


def test_there_is_one_of_each_kind() -> None:
    assert subjects.parse("runners:0") == RUNNERS
    assert subjects.parse("audit:0") == AUDIT
    assert subjects.parse("runners:1") is None
    assert subjects.parse("audit:") is None


def test_runners_are_for_who_has_signed_in_and_acts_for_operators() -> None:
    person, operator = make_person(project=make_project()), make_operator()
    assert [subjects.may_watch(one, RUNNERS) for one in (AnonymousUser(), person, operator)] == [False, True, True]
    assert [subjects.may_watch(one, AUDIT) for one in (AnonymousUser(), person, operator)] == [False, False, True]


def test_who_comes_goes_or_drains_and_every_act_is_news() -> None:
    heard = []

    def hear(subject: object, **_: object) -> None:
        heard.extend(subjects.concerned(subject))  # type: ignore[arg-type]

    progressed.connect(hear)
    try:
        runner = roster.register("runner-1", 41, Kind.STAGE, [], "1.0")
        record("ada (#1)", "locked", "shop production")
        roster.drain("runner-1", "ada (#1)")
        roster.retire(runner)
    finally:
        progressed.disconnect(hear)
    assert heard == [RUNNERS, AUDIT, AUDIT, RUNNERS, RUNNERS]
