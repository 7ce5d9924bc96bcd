"""From deliveries to runs, exactly once."""

import pytest
from django.db.models import Count

from pipelines.audit.models import Act
from pipelines.errors import UserError
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.runs.models import Event, EventKind, Outcome, Run
from pipelines.runs.polling import found_refs
from pipelines.runs.receiving import Incoming, Received, receive, start_manually, start_scheduled
from pipelines.states.status import Status
from tests.factories import make_project, make_sha
from tests.rivals import race, race_processes

pytestmark = pytest.mark.django_db

MAIN = "refs/heads/main"
A, B, C = make_sha("a"), make_sha("b"), make_sha("c")


@pytest.fixture
def project() -> Project:
    return make_project()


def _push(project: Project, sha: str, ref: str = MAIN, before: str = "", delivery: str | None = None) -> Event:
    kind = EventKind.TAG if ref.startswith("refs/tags/") else EventKind.PUSH
    return receive(project, Incoming(kind=kind, ref=ref, sha=sha, before=before, delivery_id=delivery)).event


def _pull_request(project: Project, sha: str, ref: str, *, fork: bool = False) -> Event:
    return receive(project, Incoming(kind=EventKind.PULL_REQUEST, ref=ref, sha=sha, fork=fork)).event


def _runs(project: Project) -> list[tuple[str, str]]:
    return list(project.runs.order_by("number").values_list("ref", "sha"))


def test_a_push_starts_a_run_with_everything_that_is_known_of_it(project: Project) -> None:
    incoming = Incoming(
        kind=EventKind.PUSH, ref=MAIN, sha=A, title="Add a thing", author="Ada Example", actor="ada", actor_id=7
    )
    received = receive(project, incoming)
    run = received.event.run
    assert received.new
    assert run is not None
    assert (run.number, run.ref, run.sha, run.status) == (1, MAIN, A, Status.QUEUED)
    assert (run.title, run.author, run.trusted) == ("Add a thing", "Ada Example", True)
    assert (received.event.outcome, received.event.actor_id) == (Outcome.RUN, 7)


def test_the_same_delivery_twice_is_one_event_and_one_run(project: Project) -> None:
    incoming = Incoming(kind=EventKind.PUSH, ref=MAIN, sha=A, delivery_id="d-1")
    first, second = receive(project, incoming), receive(project, incoming)
    assert (first.new, second.new) == (True, False)
    assert second.event == first.event
    assert project.events.count() == 1
    assert _runs(project) == [(MAIN, A)]


def test_the_same_content_under_another_delivery_is_known_and_does_not_run_again(project: Project) -> None:
    first = _push(project, A, delivery="d-1")
    second = _push(project, A, delivery="d-2")
    assert second.outcome == Outcome.KNOWN
    assert second.run == first.run
    assert "is run 1" in second.why
    assert _runs(project) == [(MAIN, A)]


def test_two_projects_may_use_the_same_delivery_id_and_commit(project: Project) -> None:
    other = make_project()
    assert _push(project, A, delivery="d-1").outcome == Outcome.RUN
    assert _push(other, A, delivery="d-1").outcome == Outcome.RUN


def test_a_branch_and_a_tag_of_the_same_commit_are_two_runs(project: Project) -> None:
    _push(project, A)
    _push(project, A, "refs/tags/v1.2.3")
    assert _runs(project) == [(MAIN, A), ("refs/tags/v1.2.3", A)]
    assert [run.event_kind for run in project.runs.order_by("number")] == [EventKind.PUSH, EventKind.TAG]


def test_a_branch_named_like_a_tag_is_another_ref(project: Project) -> None:
    _push(project, A, "refs/tags/v1.2.3")
    _push(project, A, "refs/heads/v1.2.3")
    assert len(_runs(project)) == 2


def test_branches_that_end_alike_do_not_collide(project: Project) -> None:
    _push(project, A, "refs/heads/a/foo")
    _push(project, A, "refs/heads/b/foo")
    _push(project, A, "refs/heads/foo")
    assert len(_runs(project)) == 3


def test_a_force_push_back_to_an_old_commit_runs_again(project: Project) -> None:
    _push(project, A)
    _push(project, B, before=A)
    again = _push(project, A, before=B)
    assert again.outcome == Outcome.RUN
    assert _runs(project) == [(MAIN, A), (MAIN, B), (MAIN, A)]


def test_a_force_push_back_that_is_delivered_twice_runs_once(project: Project) -> None:
    _push(project, A)
    _push(project, B, before=A)
    _push(project, A, before=B, delivery="d-1")
    assert _push(project, A, before=B, delivery="d-2").outcome == Outcome.KNOWN
    assert len(_runs(project)) == 3


def test_going_back_and_forth_runs_every_time(project: Project) -> None:
    _push(project, A)
    for before, sha in [(A, B), (B, A), (A, B), (B, A)]:
        _push(project, sha, before=before)
    assert _runs(project) == [(MAIN, A), (MAIN, B), (MAIN, A), (MAIN, B), (MAIN, A)]


def test_a_push_that_was_found_by_asking_does_not_run_again_when_its_deliveries_come_late(project: Project) -> None:
    _push(project, A)
    found_refs(project, {MAIN: A})
    [found] = found_refs(project, {MAIN: C})
    assert _push(project, B, before=A).outcome == Outcome.RUN
    late = _push(project, C, before=B)
    assert (late.outcome, late.run) == (Outcome.KNOWN, found.run)


def test_a_late_second_delivery_of_an_older_push_does_not_run(project: Project) -> None:
    _push(project, A)
    _push(project, B, before=A, delivery="d-1")
    _push(project, C, before=B)
    assert _push(project, B, before=A, delivery="d-2").outcome == Outcome.KNOWN
    assert len(_runs(project)) == 3


def test_a_pull_request_of_the_repository_itself_does_not_run_its_push_again(project: Project) -> None:
    pushed = _push(project, A, "refs/heads/feature")
    asked = _pull_request(project, A, "refs/heads/feature")
    assert asked.outcome == Outcome.KNOWN
    assert asked.run == pushed.run


def test_a_pull_request_that_comes_before_its_push_is_the_one_that_runs(project: Project) -> None:
    asked = _pull_request(project, A, "refs/heads/feature")
    pushed = _push(project, A, "refs/heads/feature")
    assert (asked.outcome, pushed.outcome) == (Outcome.RUN, Outcome.KNOWN)
    assert len(_runs(project)) == 1


def test_a_forks_pull_request_starts_a_run_that_waits_for_somebody_to_look_at_it(project: Project) -> None:
    event = _pull_request(project, A, "refs/pull/7/head", fork=True)
    assert (event.outcome, event.fork) == (Outcome.RUN, True)
    assert event.run is not None
    assert (event.run.status, event.run.trusted, event.run.event_kind) == (Status.BLOCKED, False, "pull_request")
    assert "look at its commit" in event.run.reason
    assert _pull_request(project, A, "refs/pull/7/head", fork=True).outcome == Outcome.KNOWN


def test_a_forks_commit_that_is_pushed_to_a_branch_runs_there_in_its_own_right(project: Project) -> None:
    forked = _pull_request(project, A, "refs/pull/7/head", fork=True)
    pushed = _push(project, A)
    assert pushed.run != forked.run
    assert pushed.run is not None
    assert (pushed.run.status, pushed.run.trusted) == (Status.QUEUED, True)


# Commits that ask not to be run


@pytest.mark.parametrize("word", ["[skip ci]", "[ci skip]", "[no ci]", "[Skip CI]"])
def test_a_push_whose_message_says_so_is_stored_only(project: Project, word: str) -> None:
    event = receive(project, Incoming(kind=EventKind.PUSH, ref=MAIN, sha=A, message=f"Mend a typo\n\n{word}")).event
    assert (event.outcome, event.run) == (Outcome.STORED, None)
    assert event.why == f"its commit message says {word}"


def test_a_look_at_the_code_host_does_not_start_what_asked_not_to_be_run(project: Project) -> None:
    found_refs(project, {MAIN: C})
    receive(project, Incoming(kind=EventKind.PUSH, ref=MAIN, sha=A, message="x [skip ci]"))
    assert found_refs(project, {MAIN: A}) == []
    assert len(found_refs(project, {MAIN: B})) == 1


def test_tags_and_what_is_asked_for_run_whatever_the_message_says(project: Project) -> None:
    tag = Incoming(kind=EventKind.TAG, ref="refs/tags/v1", sha=A, message="x [skip ci]")
    by_hand = Incoming(kind=EventKind.MANUAL, ref=MAIN, sha=A, message="x [skip ci]")
    assert [receive(project, one).event.outcome for one in (tag, by_hand)] == [Outcome.RUN, Outcome.RUN]


# What is asked for


def test_a_run_by_hand_needs_no_commit_and_carries_its_parameters(project: Project) -> None:
    run = start_manually(project, MAIN, {"size": "big"}, "ada (#1)", why="a try")
    assert (run.event_kind, run.sha, run.parameters, run.asked_by) == ("manual", "", {"size": "big"}, "ada (#1)")
    assert run.status == Status.QUEUED
    act = Act.objects.get(verb="started")
    assert (act.actor, act.reason, act.facts) == ("ada (#1)", "a try", {"ref": MAIN, "parameters": ["size"]})


def test_what_is_asked_for_twice_runs_twice_also_beside_the_push_of_its_commit(project: Project) -> None:
    pushed = _push(project, A)
    runs = [start_manually(project, MAIN, {}, "ada (#1)", sha=A) for _ in range(2)]
    assert len({run.number for run in [*runs, pushed.run] if run}) == 3
    assert _push(project, A, delivery="again").run == pushed.run


def test_a_run_by_hand_does_not_stand_for_the_push_that_comes_later(project: Project) -> None:
    start_manually(project, MAIN, {}, "ada (#1)", sha=A)
    assert _push(project, A).outcome == Outcome.RUN


def test_one_time_of_a_schedule_starts_one_run_however_many_clocks_there_are(project: Project) -> None:
    first = start_scheduled(project, "nightly", MAIN, {}, "2026-03-29T02:30Z")
    again = start_scheduled(project, "nightly", MAIN, {}, "2026-03-29T02:30Z")
    later = start_scheduled(project, "nightly", MAIN, {}, "2026-03-30T02:30Z")
    assert again == first
    assert first.run is not None
    assert (first.run.event_kind, first.why) == ("schedule", "by the schedule nightly")
    assert later.run != first.run
    assert not Act.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_clocks_at_the_same_moment_one_starts_the_scheduled_run(project: Project) -> None:
    race(6, lambda _: start_scheduled(project, "nightly", MAIN, {}, "2026-03-29T02:30Z"))
    assert project.runs.count() == 1


@pytest.mark.parametrize("ref", ["main", "refs/pull/7/head", "refs/heads/a\nb", "refs/heads/" + "x" * 255])
def test_what_is_no_branch_or_tag_is_not_started(project: Project, ref: str) -> None:
    with pytest.raises(UserError):
        start_manually(project, ref, {}, "ada (#1)")


def test_a_short_commit_id_is_not_started(project: Project) -> None:
    with pytest.raises(UserError):
        start_manually(project, MAIN, {}, "ada (#1)", sha=A[:7])


@pytest.mark.parametrize("kind", [EventKind.DELETION, EventKind.PING, EventKind.OTHER])
def test_what_starts_nothing_is_stored_with_the_reason(project: Project, kind: EventKind) -> None:
    event = receive(project, Incoming(kind=kind, delivery_id="d-1")).event
    assert (event.outcome, event.run, event.why) == (Outcome.STORED, None, "starts nothing")
    assert not receive(project, Incoming(kind=kind, delivery_id="d-1")).new


def test_a_run_is_told_to_the_code_host_only_where_there_is_one(project: Project) -> None:
    _push(project, A)
    assert not Message.objects.exists()
    _push(make_project(code_host_name="acme/shop"), A)
    assert Message.objects.get().channel == Channel.COMMIT_STATUS


def test_a_run_that_was_not_stored_takes_no_number(project: Project) -> None:
    _push(project, A)
    _push(project, A, delivery="d-2")
    _push(project, B)
    assert [run.number for run in project.runs.order_by("pk")] == [1, 2]


def test_an_annotated_tag_announced_by_its_own_id_runs_once_whatever_name_its_commit_comes_by(project: Project) -> None:
    tag = "refs/tags/v1"
    run = _push(project, A, tag).run
    assert run is not None
    Run.objects.filter(pk=run.pk).update(sha=B)  # as planning does when it has found the commit
    assert _push(project, A, tag, delivery="d-2").run == run
    assert _push(project, B, tag, delivery="d-3").run == run
    assert len(_runs(project)) == 1


def test_the_longest_ref_that_is_stored_has_a_key(project: Project) -> None:
    ref = "refs/heads/" + "x" * (255 - len("refs/heads/"))
    assert _push(project, make_sha() + "0" * 24, ref).outcome == Outcome.RUN


@pytest.mark.django_db(transaction=True)
def test_of_twenty_deliveries_of_one_push_at_once_one_runs_and_all_are_stored() -> None:
    project = make_project(code_host_name="acme/shop")
    results = race(20, lambda number: _push(project, A, delivery=f"d-{number}").outcome)
    assert sorted(str(result) for result in results) == ["known"] * 19 + ["run"]
    assert project.events.count() == 20
    assert _runs(project) == [(MAIN, A)]
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_delivery_that_comes_ten_times_at_once_is_stored_once() -> None:
    project = make_project()
    incoming = Incoming(kind=EventKind.PUSH, ref=MAIN, sha=A, delivery_id="d-1")
    results = race(10, lambda _: receive(project, incoming))
    assert sum(isinstance(result, Received) and result.new for result in results) == 1
    assert (project.events.count(), project.runs.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_force_push_back_that_ten_processes_hear_of_at_once_runs_once() -> None:
    project = make_project()
    _push(project, A)
    _push(project, B, before=A)
    results = race(10, lambda number: _push(project, A, before=B, delivery=f"d-{number}").outcome)
    assert sorted(str(result) for result in results) == ["known"] * 9 + ["run"]


@pytest.mark.django_db(transaction=True)
def test_the_numbers_of_runs_are_unique_and_without_gaps_when_processes_push_at_once() -> None:
    projects = [make_project(), make_project()]

    def push(number: int) -> int:
        for turn in range(10):
            _push(projects[turn % 2], make_sha(f"{number} {turn}"))
        return number

    assert race_processes(4, push) == [0, 1, 2, 3]
    for project in projects:
        assert [run.number for run in project.runs.order_by("number")] == list(range(1, 21))
    assert not Run.objects.values("key").annotate(times=Count("pk")).filter(times__gt=1).exists()
