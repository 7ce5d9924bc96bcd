"""Who may have broken a ref."""

import pytest

from pipelines.projects.models import Project
from pipelines.runs.commits import suspects
from pipelines.runs.models import Event, EventKind, Outcome, Run
from tests.factories import make_green_run, make_project, make_red_run, make_sha

pytestmark = pytest.mark.django_db
MAIN = "refs/heads/main"


def pushed(run: Run, *commits: tuple[str, str]) -> None:
    """The push that brought `run`, with the commits that it told of, oldest first: title and author."""
    Event.objects.filter(run=run).delete()
    payload = {
        "commits": [
            {"id": make_sha(title), "message": f"{title}\n\nmore", "author": {"username": who}}
            for title, who in commits
        ]
    }
    Event.objects.create(
        project=run.project,
        kind=EventKind.PUSH,
        ref=run.ref,
        sha=run.sha,
        outcome=Outcome.RUN,
        run=run,
        payload=payload,
    )


def history(project: Project) -> Run:
    """Green, red, red; each pushed with commits."""
    green, first, last = make_green_run(project), make_red_run(project), make_red_run(project)
    pushed(green, ("Fine", "ada"))
    pushed(first, ("Count", "bob"), ("Recount", "bob"))
    pushed(last, ("Paint", "cy"))
    return last


def test_suspected_is_what_came_since_the_last_good_run_newest_first() -> None:
    last = history(make_project())
    found = suspects(last)
    assert found.green == 1
    titles = [commit.title for commit in found.commits]
    assert titles[0] == last.title
    assert titles[-2:] == ["Recount", "Count"]
    assert "Fine" not in titles
    assert {"bob", "cy"} <= set(found.authors)


def test_without_a_good_run_only_the_run_s_own_commit_is_named() -> None:
    run = make_red_run(make_project())
    found = suspects(run)
    assert (found.green, [commit.sha for commit in found.commits]) == (None, [run.sha])


def test_a_payload_that_is_not_as_expected_is_passed_over() -> None:
    last = history(make_project())
    Event.objects.filter(project=last.project).update(payload={"commits": [7, {"id": 3}, None]})
    assert suspects(last).commits[0].sha == last.sha


def test_another_branch_is_not_suspected() -> None:
    project = make_project()
    history(project)
    beside = make_red_run(project, ref="refs/heads/lamp")
    assert [commit.sha for commit in suspects(beside).commits] == [beside.sha]
