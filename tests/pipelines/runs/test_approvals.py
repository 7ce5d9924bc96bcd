"""People's words on what waits for them."""

import pytest
from django.contrib.auth.models import Group, User

from pipelines.audit.models import Act
from pipelines.errors import LostRace, UserError
from pipelines.projects.models import Project
from pipelines.runs import approvals, lifecycle, queries, receiving, turns
from pipelines.runs.approvals import NotYours
from pipelines.runs.models import Approval, EventKind, Identity, Run, Stage
from pipelines.spec.model import ApprovalSpec, ParameterSpec, PipelineSpec
from pipelines.states.status import Status
from tests.factories import (
    finish_run,
    finish_stage,
    make_person,
    make_project,
    make_run,
    make_spec,
    make_stage_spec,
    plan,
    unique,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _asking(**wish: object) -> PipelineSpec:
    gate = make_stage_spec("deploy", "build", approval=ApprovalSpec(**wish))  # type: ignore[arg-type]
    return make_spec(make_stage_spec("build"), gate, make_stage_spec("after", "deploy"))


def _waiting(project: Project | None = None, spec: PipelineSpec | None = None, **fields: object) -> Stage:
    """A stage that waits for people, of a run that somebody with no account here has pushed."""
    run = make_run(project, spec=spec or _asking(), **{"actor": unique("pusher"), **fields})
    finish_stage(run, "build")
    return Stage.objects.select_related("run").get(run=run, name="deploy")


def _told(person: User) -> str:
    return f"{person.username} (#{person.pk})"


def _say_yes(stage: Stage, person: User, **answers: str) -> bool:
    return approvals.approve(stage, person, _told(person), answers)


def _status(stage: Stage, name: str = "") -> str:
    return Stage.objects.get(run=stage.run_id, name=name or stage.name).status


def test_a_stage_that_asks_for_approval_waits_for_it_and_holds_no_worker() -> None:
    stage = _waiting()
    assert (stage.status, stage.reason) == (Status.BLOCKED, "one person must agree first")
    assert turns.next_stage([]) is None
    with pytest.raises(LostRace):
        lifecycle.claim_stage(stage.pk, "worker")


def test_it_does_not_wait_before_its_turn_has_come() -> None:
    run = make_run(spec=_asking())
    assert Stage.objects.get(run=run, name="deploy").status == Status.PENDING


def test_with_the_first_yes_it_goes_to_the_queue_and_the_act_is_on_record() -> None:
    stage, ana = _waiting(), make_person("ana")
    assert _say_yes(stage, ana)
    fresh = Stage.objects.get(pk=stage.pk)
    assert (fresh.status, fresh.reason) == (Status.QUEUED, f"approved by {_told(ana)}")
    act = Act.objects.get(verb="approved")
    assert (act.actor, act.facts["commit"]) == (_told(ana), stage.run.sha)
    assert finish_run(Run.objects.get(pk=stage.run_id)).status == Status.SUCCEEDED


def test_where_two_must_agree_one_person_counts_once() -> None:
    stage = _waiting(spec=_asking(count=2))
    ana, bob = make_person(), make_person()
    assert not _say_yes(stage, ana)
    assert not _say_yes(stage, ana)
    assert _status(stage) == Status.BLOCKED
    assert _say_yes(stage, bob)
    assert _status(stage) == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_of_people_who_agree_at_the_same_moment_all_are_counted() -> None:
    for _ in range(3):
        stage = _waiting(spec=_asking(count=3))
        people = [make_person() for _ in range(3)]
        results = race(3, lambda n, stage=stage, people=people: _say_yes(stage, people[n]))  # type: ignore[misc]
        assert sorted(results, key=str) == [False, False, True]
        assert _status(stage) == Status.QUEUED


def test_a_no_cancels_it_and_what_needs_it_never_starts() -> None:
    stage, ana = _waiting(), make_person()
    approvals.refuse(stage, ana, _told(ana), "not on a Friday")
    fresh = Stage.objects.get(pk=stage.pk)
    assert (fresh.status, fresh.reason) == (Status.CANCELLED, f"refused by {_told(ana)}: not on a Friday")
    assert _status(stage, "after") == Status.SKIPPED
    assert Run.objects.get(pk=stage.run_id).status == Status.CANCELLED
    assert Act.objects.get(verb="refused").reason == "not on a Friday"


def test_after_a_no_a_yes_comes_too_late() -> None:
    stage, ana, bob = _waiting(), make_person(), make_person()
    approvals.refuse(stage, ana, _told(ana))
    with pytest.raises(LostRace):
        _say_yes(stage, bob)


def test_a_cancelled_run_asks_nobody_any_more() -> None:
    stage, ana = _waiting(), make_person()
    lifecycle.cancel(stage.run, "bob (#2)")
    with pytest.raises(LostRace):
        _say_yes(stage, ana)


def test_only_members_of_a_named_team_are_heard() -> None:
    ops = Group.objects.create(name=unique("ops"))
    stage = _waiting(spec=_asking(teams=(ops.name, "nobody")))
    stranger, member = make_person(), make_person()
    member.groups.add(ops)
    with pytest.raises(NotYours, match=ops.name):
        _say_yes(stage, stranger)
    assert approvals.why_not(stage, member) == ""
    assert _say_yes(stage, member)


def test_who_started_a_run_by_hand_does_not_approve_in_it() -> None:
    project, ana = make_project(), make_person()
    run = receiving.start_manually(project, "refs/heads/main", {}, _told(ana))
    plan(run, _asking())
    finish_stage(run, "build")
    stage = Stage.objects.get(run=run, name="deploy")
    with pytest.raises(NotYours, match="started"):
        _say_yes(stage, ana)
    assert _say_yes(stage, make_person())


def test_who_pushed_is_known_by_the_code_hosts_number_whatever_they_are_called() -> None:
    ana = make_person("ana-here")
    Identity.objects.create(user=ana, code_host_id=4711)
    stage = _waiting(actor="renamed", actor_id=4711)
    with pytest.raises(NotYours):
        _say_yes(stage, ana)
    namesake = make_person("bob-here")
    Identity.objects.create(user=namesake, code_host_id=4712)
    assert _say_yes(_waiting(actor="bob-here", actor_id=99), namesake)


def test_who_has_no_account_noted_is_known_by_their_name_at_the_code_host() -> None:
    stage = _waiting(actor="Ana-There", actor_id=4713)
    with pytest.raises(NotYours):
        _say_yes(stage, make_person("ana-there"))


def test_who_connects_another_account_is_still_known_by_their_name() -> None:
    ana = make_person("ana-throws-away")
    Identity.objects.create(user=ana, code_host_id=4715, is_own_word=True)
    for name, number in (("Ana-Throws-Away", 4716), ("renamed", 4715)):
        with pytest.raises(NotYours):
            _say_yes(_waiting(actor=name, actor_id=number), ana)


def test_a_name_at_the_code_host_that_ends_in_a_number_is_nobody_here() -> None:
    ana = make_person()
    assert _say_yes(_waiting(actor=f"x (#{ana.pk})", actor_id=4714), ana)


def test_what_is_asked_reaches_the_stage_and_the_last_answer_counts() -> None:
    size = ParameterSpec(name="size", kind="choice", default="small", options=("small", "big"))
    ask = (ParameterSpec(name="reason"), size)
    stage = _waiting(spec=_asking(count=2, ask=ask))
    ana, bob = make_person(), make_person()
    _say_yes(stage, ana, reason="go", size="small")
    _say_yes(stage, bob, reason="go on", size="big")
    assert queries.parameters_for(Stage.objects.get(pk=stage.pk)) == {"reason": "go on", "size": "big"}
    after = Stage.objects.get(run=stage.run_id, name="after")
    assert queries.parameters_for(after) == {}


def test_a_stage_that_asks_nothing_is_approved_by_nobody() -> None:
    run = make_run(spec=_asking())
    with pytest.raises(UserError):
        _say_yes(Stage.objects.get(run=run, name="build"), make_person())


def test_what_was_said_so_far_is_shown() -> None:
    stage = _waiting(spec=_asking(count=2))
    ana = make_person()
    _say_yes(stage, ana)
    assert [word.actor for word in approvals.words([stage])[stage.pk]] == [_told(ana)]


def test_a_retry_asks_nobody_again() -> None:
    stage, ana = _waiting(), make_person()
    _say_yes(stage, ana)
    run = Run.objects.get(pk=stage.run_id)
    claim = lifecycle.claim_stage(stage.pk, "worker")
    lifecycle.finish_attempt(claim.attempt, Status.ERRORED, reason="the engine is gone")
    assert _status(stage) == Status.QUEUED
    assert not run.is_final


# Code of forks


def _fork(project: Project, sha: str, number: int = 7) -> Run:
    incoming = receiving.Incoming(
        kind=EventKind.PULL_REQUEST,
        ref=f"refs/pull/{number}/head",
        sha=sha,
        target="refs/heads/main",
        actor="mallory",
        actor_id=666,
        fork=True,
    )
    run = receiving.receive(project, incoming).event.run
    assert run is not None
    return run


A, B = "a" * 40, "b" * 40


def test_a_forks_run_waits_until_somebody_has_looked_at_exactly_its_commit() -> None:
    run, ana = _fork(make_project(), A), make_person()
    assert (run.status, run.trusted, run.event_kind) == (Status.BLOCKED, False, EventKind.PULL_REQUEST)
    with pytest.raises(LostRace):
        lifecycle.claim_planning(run.pk, "planner")
    with pytest.raises(UserError, match="not of bbbbbbb"):
        approvals.approve_run(run, _told(ana), B, ana)
    approvals.approve_run(run, _told(ana), A, ana)
    assert Run.objects.get(pk=run.pk).status == Status.QUEUED
    assert Act.objects.get(verb="approved").facts == {"commit": A}
    lifecycle.claim_planning(run.pk, "planner")


def test_a_run_that_was_approved_for_another_commit_is_neither_planned_nor_begun() -> None:
    run, ana = _fork(make_project(), A), make_person()
    approvals.approve_run(run, _told(ana), A, ana)
    plan(Run.objects.get(pk=run.pk))
    stage = Stage.objects.get(run=run, name="build")
    Run.objects.filter(pk=run.pk).update(sha=B)
    with pytest.raises(LostRace, match="nobody has approved commit bbbbbbb"):
        lifecycle.claim_stage(stage.pk, "worker")
    Run.objects.filter(pk=run.pk).update(sha=A)
    assert lifecycle.claim_stage(stage.pk, "worker").attempt.number == 1


def test_a_run_that_got_to_the_queue_by_any_other_way_is_not_begun() -> None:
    run = _fork(make_project(), A)
    Run.objects.filter(pk=run.pk).update(**{"status": Status.QUEUED})
    with pytest.raises(LostRace):
        lifecycle.claim_planning(run.pk, "planner")
    Approval.objects.create(run=run, actor="ana (#1)", sha=A, refused=True)
    with pytest.raises(LostRace):
        lifecycle.claim_planning(run.pk, "planner")


def test_a_new_push_to_the_request_sends_away_what_still_waits_and_waits_itself() -> None:
    project = make_project()
    older, other = _fork(project, A), _fork(project, A, number=8)
    newer = _fork(project, B)
    older.refresh_from_db()
    assert (older.status, older.reason) == (Status.CANCELLED, f"superseded by run {newer.number}")
    assert [Run.objects.get(pk=run.pk).status for run in (newer, other)] == [Status.BLOCKED, Status.BLOCKED]
    with pytest.raises(LostRace):
        approvals.approve_run(older, "ana (#1)", A)


def test_a_request_that_was_closed_waits_for_nobody() -> None:
    project = make_project()
    run = _fork(project, A)
    receiving.receive(
        project, receiving.Incoming(kind=EventKind.OTHER, name="pull_request", ref="refs/pull/7/head", fork=True)
    )
    run.refresh_from_db()
    assert (run.status, run.reason) == (Status.CANCELLED, "its pull request was closed")


def test_a_forks_run_carries_no_deploy_section() -> None:
    run = _fork(make_project(), A)
    approvals.approve_run(run, "ana (#1)", A)
    run = Run.objects.get(pk=run.pk)
    plan(run)
    assert run.deploy_spec is None
