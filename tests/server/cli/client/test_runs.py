"""Runs from the terminal: listed, shown, watched, started, stopped, run again, agreed to."""

import json

import pytest
from django.contrib.auth.models import Group

from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from pipelines.runs.models import Run
from pipelines.states.status import Status
from tests.factories import finish_stage, make_green_run, make_red_run, make_run, make_sha
from tests.server.cli.client.conftest import SignIn, Slipway

pytestmark = pytest.mark.django_db

WAITS = """\
image: busybox
stages:
  ship:
    approval: {by: [ops]}
    steps: [echo shipped]
"""


def test_the_newest_runs_are_listed_with_how_they_stand(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in()
    make_green_run(project, title="Add a cart")
    make_red_run(project, title="Break the cart", ref="refs/heads/cart")
    said = slipway("runs")
    assert said.status == 0, said.err
    heads, newest, oldest = said.out.splitlines()
    assert heads.split() == ["run", "status", "ref", "commit", "when", "took", "title"]
    assert newest.startswith("2")
    assert "✗ failed" in newest
    assert "cart" in newest
    assert "Add a cart" in oldest
    assert "✓ succeeded" in oldest
    assert [line.split()[0] for line in slipway("runs", "--ref", "cart").out.splitlines()[1:]] == ["2"]
    assert [line.split()[0] for line in slipway("runs", "--status", "succeeded").out.splitlines()[1:]] == ["1"]


def test_more_runs_than_a_page_has_are_fetched_page_by_page(
    slipway: Slipway, signed_in: SignIn, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    monkeypatch.setattr("server.cli.client.connection.PAGE_LIMIT", 2)
    for _ in range(5):
        make_run(project, spec=None)
    listed = json.loads(slipway("runs", "--json", "--limit", 4).out)
    assert [run["number"] for run in listed] == [5, 4, 3, 2]


def test_one_run_is_shown_with_its_stages(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.VIEWER)
    make_red_run(project)
    said = slipway("runs", 1)
    assert said.status == 0, said.err
    assert "build" in said.out
    assert "✗ failed" in said.out
    assert f"/projects/{project.name}/runs/1/" in said.out


def test_what_was_watched_decides_the_exit_status(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.VIEWER)
    make_green_run(project)
    make_red_run(project)
    assert slipway("watch", 1).status == 0
    failed = slipway("watch", 2)
    assert failed.status == 1
    assert "run 2 ✗ failed" in failed.out


def test_the_last_lines_of_what_failed_stand_at_the_end(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.VIEWER)
    run = make_run(project)
    output = b"".join(b"line %d\n" % number for number in range(100)) + b"\x1b[31mit broke\x1b[0m \x1b]0;title\x07\n"
    finish_stage(run, text=output, status=Status.FAILED)
    said = slipway("watch", 1)
    assert said.status == 1
    shown = [line.strip() for line in said.out.splitlines() if "│" in line]
    assert len(shown) == 20
    assert shown[-1] == "│ it broke"
    assert "\x1b" not in said.out


def test_with_json_a_watched_run_is_all_that_standard_output_holds(
    slipway: Slipway, signed_in: SignIn, project: Project
) -> None:
    signed_in(Role.VIEWER)
    make_red_run(project)
    said = slipway("watch", "--json")
    assert said.status == 1
    assert json.loads(said.out)["status"] == "failed"
    assert "build" in said.err


def test_a_run_is_started_of_a_branch(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.DEVELOPER)
    said = slipway("trigger", "--ref", "feature")
    assert said.status == 0, said.err
    assert "slipway watch 1" in said.out
    assert Run.objects.get(project=project).ref == "refs/heads/feature"


def test_a_viewer_is_told_which_role_it_takes(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.VIEWER)
    said = slipway("trigger")
    assert said.status == 3
    assert "takes the role developer" in said.err
    assert said.out == ""


def test_a_token_without_the_scope_is_not_enough(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.OWNER, scopes=(Scope.READ,))
    assert slipway("runs").status == 0
    assert slipway("trigger").status == 3


def test_a_run_is_cancelled_and_run_again(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.DEVELOPER)
    run = make_run(project)
    assert "run 1 ■ cancelled" in slipway("cancel", 1).out
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    again = json.loads(slipway("rerun", 1, "--json").out)
    assert again["number"] == 2
    assert again["rerun_of"] == 1


def test_a_rerun_of_the_failed_takes_the_rest_over(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in(Role.DEVELOPER)
    run = make_run(project)
    finish_stage(run, "build")
    finish_stage(run, "test", status=Status.FAILED)
    assert slipway("rerun", "--failed").status == 0
    assert Run.objects.get(project=project, number=2).rerun_of == run


def test_a_stage_that_waits_is_agreed_to_by_its_run(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in().groups.add(Group.objects.create(name="ops"))
    make_run(project, spec=WAITS)
    said = slipway("approve", 1)
    assert said.status == 0, said.err
    assert "approved: run 1" in said.out
    assert project.runs.get().stages.get().status == Status.QUEUED
    again = slipway("approve", 1)
    assert again.status == 4
    assert "No stage of run 1 waits" in again.err


def test_a_stage_that_waits_is_refused_with_the_reason(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in().groups.add(Group.objects.create(name="ops"))
    make_run(project, spec=WAITS)
    assert slipway("approve", 1, "ship", "--refuse", "not before noon").status == 0
    assert "not before noon" in project.runs.get().stages.get().reason


def test_code_of_a_fork_is_let_in_at_the_commit_that_was_looked_at(
    slipway: Slipway, signed_in: SignIn, project: Project
) -> None:
    signed_in()
    sha = make_sha()
    run = make_run(project, spec=None, sha=sha)
    Run.objects.filter(pk=run.pk).update(status=Status.BLOCKED)
    other = slipway("approve", 1, "--let-in", "0" * 40)
    assert other.status == 5
    assert sha in other.err
    assert slipway("approve", 1, "--let-in", sha[:10]).status == 0


def test_what_is_not_there_is_told_by_its_name(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in()
    said = slipway("watch", 9)
    assert said.status == 4
    assert f"run 9 of {project.name}" in said.err
    assert slipway("runs", "--project", "nowhere").status == 4


def test_what_a_commit_is_called_moves_no_terminal(slipway: Slipway, signed_in: SignIn, project: Project) -> None:
    signed_in()
    make_run(project, title="good \x1b[2J\x1b]0;title\x07[bold]title[/bold]")
    for words in (("runs",), ("runs", 1), ("projects",)):
        said = slipway(*words)
        assert "\x1b" not in said.out, words
        assert "good [bold]title[/bold]" in said.out, words
