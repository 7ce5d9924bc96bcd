"""Asking the code host finds what no webhook announced, and starts it exactly once."""

import pytest

from pipelines.projects.models import Project
from pipelines.runs.models import Event, EventKind, Outcome, Tip
from pipelines.runs.polling import found_refs
from pipelines.runs.receiving import MAX_REF, Incoming, receive
from tests.factories import make_project, make_sha
from tests.rivals import race

pytestmark = pytest.mark.django_db

MAIN = "refs/heads/main"
A, B, C = make_sha("a"), make_sha("b"), make_sha("c")


@pytest.fixture
def project() -> Project:
    """One whose refs have been looked at before."""
    project = make_project()
    found_refs(project, {MAIN: A})
    return project


def _push(project: Project, sha: str, before: str = "") -> Event:
    return receive(project, Incoming(kind=EventKind.PUSH, ref=MAIN, sha=sha, before=before)).event


def _tips(project: Project) -> dict[str, str]:
    return dict(Tip.objects.filter(project=project).values_list("ref", "sha"))


def test_the_first_look_only_notes_where_the_refs_stand() -> None:
    project = make_project()
    assert found_refs(project, {MAIN: A, "refs/tags/v1": B}) == []
    assert not project.runs.exists()
    assert _tips(project) == {MAIN: A, "refs/tags/v1": B}


def test_what_appears_in_a_repository_that_was_empty_is_started() -> None:
    project = make_project()
    assert found_refs(project, {}) == []
    assert [event.sha for event in found_refs(project, {MAIN: A})] == [A]


def test_a_repository_that_lost_all_its_refs_has_still_been_looked_at(project: Project) -> None:
    found_refs(project, {})
    assert [event.sha for event in found_refs(project, {MAIN: B})] == [B]


def test_a_push_that_nobody_announced_is_started_once_and_says_so(project: Project) -> None:
    (event,) = found_refs(project, {MAIN: B})
    assert (event.outcome, event.kind, event.name) == (Outcome.RUN, EventKind.PUSH, "poll")
    assert "no webhook had announced it" in event.why
    assert found_refs(project, {MAIN: B}) == []
    assert [run.sha for run in project.runs.all()] == [B]


def test_a_new_branch_and_a_new_tag_are_found(project: Project) -> None:
    events = found_refs(project, {MAIN: A, "refs/heads/feature": B, "refs/tags/v1": C})
    assert [(event.ref, event.kind) for event in events] == [
        ("refs/heads/feature", EventKind.PUSH),
        ("refs/tags/v1", EventKind.TAG),
    ]


def test_what_a_webhook_has_announced_is_not_started_again_nor_stored_again(project: Project) -> None:
    _push(project, B, before=A)
    assert found_refs(project, {MAIN: B}) == []
    assert (project.events.count(), project.runs.count()) == (1, 1)


def test_a_webhook_that_comes_after_the_look_does_not_run_it_again(project: Project) -> None:
    found_refs(project, {MAIN: B})
    assert _push(project, B, before=A).outcome == Outcome.KNOWN
    assert project.runs.count() == 1


def test_an_unannounced_force_push_back_to_an_old_commit_runs_again(project: Project) -> None:
    found_refs(project, {MAIN: B})
    found_refs(project, {MAIN: C})
    (event,) = found_refs(project, {MAIN: B})
    assert event.outcome == Outcome.RUN
    assert [run.sha for run in project.runs.order_by("number")] == [B, C, B]
    assert found_refs(project, {MAIN: B}) == []


def test_a_ref_that_is_gone_is_forgotten_and_runs_when_it_comes_back_with_a_new_commit(project: Project) -> None:
    found_refs(project, {MAIN: A, "refs/heads/feature": B})
    found_refs(project, {MAIN: A})
    assert _tips(project) == {MAIN: A}
    assert [event.ref for event in found_refs(project, {MAIN: A, "refs/heads/feature": C})] == ["refs/heads/feature"]


def test_a_ref_too_long_to_store_does_not_hide_the_others(project: Project) -> None:
    long = "refs/heads/" + "x" * MAX_REF
    assert [event.ref for event in found_refs(project, {MAIN: B, long: C})] == [MAIN]


def test_projects_do_not_share_what_was_seen(project: Project) -> None:
    other = make_project()
    found_refs(other, {MAIN: A})
    assert len(found_refs(other, {MAIN: B})) == 1
    assert len(found_refs(project, {MAIN: B})) == 1


@pytest.mark.django_db(transaction=True)
def test_two_looks_and_two_webhooks_at_once_start_it_once() -> None:
    for _ in range(5):
        project = make_project()
        found_refs(project, {MAIN: A})

        def announce(number: int, project: Project = project) -> object:
            return found_refs(project, {MAIN: B}) if number % 2 else _push(project, B, before=A)

        results = race(4, announce)
        assert not [result for result in results if isinstance(result, Exception)]
        assert [run.sha for run in project.runs.all()] == [B]
        assert project.events.filter(outcome=Outcome.RUN).count() == 1
