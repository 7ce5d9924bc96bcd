"""What each page says in the states that it can be in."""

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.deploys.models import Host
from pipelines.projects.models import Project
from pipelines.runs import lifecycle, polling, receiving
from pipelines.runs.models import EventKind, Run
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    finish_deploy,
    finish_host,
    make_deploy,
    make_environment,
    make_event,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_release,
    make_run,
    print_steps,
    start_stage,
)

pytestmark = pytest.mark.django_db


def page(client: Client, name: str, *arguments: object, query: str = "") -> str:
    response = client.get(reverse(name, args=arguments) + query)
    assert response.status_code == 200
    return response.content.decode()


def run_page(client: Client, run: Run, query: str = "") -> str:
    return page(client, "run", run.project.name, run.number, query=query)


def test_a_dashboard_without_projects_says_how_to_begin(operator: Client) -> None:
    assert "Where is the code?" in page(operator, "dashboard")


def test_a_person_without_a_team_is_told_so(client: Client, viewer: Client, project: Project) -> None:
    Project.objects.all().delete()
    assert "You belong to no project yet" in page(viewer, "dashboard")


def test_the_dashboard_counts_what_is_broken_and_what_runs(viewer: Client, project: Project) -> None:
    make_green_run(project)
    red = make_red_run(project)
    start_stage(make_run(project, ref="refs/heads/feature"))
    text = page(viewer, "dashboard")
    assert "1 broken, 1 running" in text
    assert f"{project}, main is broken since run {red.number}" in text


def test_the_dashboard_shows_nothing_of_other_projects(viewer: Client) -> None:
    other = make_project()
    make_red_run(other)
    assert other.name not in page(viewer, "dashboard")


def test_a_failed_deploy_needs_a_person_on_the_dashboard(viewer: Client, project: Project) -> None:
    environment = make_environment(project, on_breach="stop")
    finish_deploy(make_deploy(environment), Status.FAILED, "web-1 answers 500")
    text = page(viewer, "dashboard")
    assert "deploy 1 to production failed" in text
    assert "web-1 answers 500" in text


def test_runs_can_be_narrowed_to_one_branch(viewer: Client, project: Project) -> None:
    make_run(project, title="on main")
    make_run(project, title="on the side", ref="refs/heads/side")
    text = page(viewer, "project", project.name, query="?ref=refs/heads/side")
    assert "on the side" in text
    assert "on main" not in text


def test_a_code_host_that_cannot_be_asked_is_told_of_until_it_answers(viewer: Client, project: Project) -> None:
    assert "no webhook announces" not in page(viewer, "project", project.name)
    asked = polling.claim_next()
    assert asked is not None
    polling.unanswered(asked, "it refuses <our> token", 0)
    text = page(viewer, "project", project.name)
    assert "Pushes that no webhook announces are not found at the moment." in text
    assert "it refuses &lt;our&gt; token" in text
    asked = polling.claim_next()
    assert asked is not None
    polling.answered(asked, {}, 60)
    assert "no webhook announces" not in page(viewer, "project", project.name)


def test_the_webhook_s_secret_is_shown_to_owners_alone(owner: Client, maintainer: Client, project: Project) -> None:
    assert project.webhook_secret in page(owner, "project", project.name)
    assert project.webhook_secret not in page(maintainer, "project", project.name)


def test_a_run_that_waits_says_what_for(viewer: Client, project: Project) -> None:
    text = run_page(viewer, make_run(project, spec=None, title=""))
    assert "Waits to be planned" in text


def test_a_run_s_page_draws_its_stages_and_shows_the_log_of_the_one_that_runs(viewer: Client, project: Project) -> None:
    run = make_run(project)
    attempt = start_stage(run, "build")
    print_steps(attempt, [b"compiling <b>\x1b[31mred\x1b[0m\n"])
    text = run_page(viewer, run)
    assert 'aria-label="build 0:00, running"' in text
    assert "compiling &lt;b&gt;red" in text
    assert f'data-log="{attempt.log_id}"' in text
    assert 'data-closed="false"' in text


def test_the_log_element_knows_where_to_ask_for_its_rows(viewer: Client, project: Project) -> None:
    run = make_run(project)
    attempt = start_stage(run, "build")
    print_steps(attempt, [b"one\n", b"two\n"], [0])
    assert f'data-rows="{reverse("log-rows", args=[attempt.log_id])}"' in run_page(viewer, run)


def test_any_stage_and_attempt_can_be_chosen(viewer: Client, project: Project) -> None:
    run = make_green_run(project)
    assert 'aria-label="Stage build"' in run_page(viewer, run, "?stage=build&attempt=1")
    assert 'aria-label="Stage test"' in run_page(viewer, run, "?stage=test")
    assert 'aria-label="Stage test"' in run_page(viewer, run, "?stage=nonsense&attempt=x")


def test_a_bad_spec_is_shown_with_its_line_and_a_caret(viewer: Client, project: Project) -> None:
    run = make_run(project, spec=None)
    problem = {
        "line": 4,
        "column": 13,
        "key_path": "stages.test.needs[0]",
        "message": "no stage is called 'biuld'",
        "expected": "build",
        "source_line": "    needs: [biuld]",
    }
    lifecycle.reject(run, Status.FAILED, "the spec is wrong", [problem])
    text = run_page(viewer, run)
    assert ".slipway.yml has 1 mistake" in text
    assert "    needs: [biuld]" in text
    assert "<span>            ^</span>" in text
    assert "line 4, column 13" in text


def test_artifacts_are_offered_with_their_digest(viewer: Client, project: Project) -> None:
    assert "dist/" in run_page(viewer, make_green_run(project), "?stage=build")


def test_a_run_is_cancelled_by_a_developer(developer: Client, project: Project) -> None:
    run = make_run(project)
    developer.post(reverse("run-cancel", args=[project.name, run.number]))
    run.refresh_from_db()
    assert run.cancel_requested_at is not None


def test_a_viewer_sees_the_cancel_button_disabled_with_the_reason(viewer: Client, project: Project) -> None:
    text = run_page(viewer, make_run(project))
    assert "to cancel a run takes the role developer" in text
    assert "disabled" in text


def test_the_environment_s_title_says_what_is_live_and_what_is_wrong(viewer: Client, project: Project) -> None:
    environment = make_environment(project)
    assert "Nothing is live in production yet" in page(viewer, "environment", project.name, "production")
    make_live(environment)
    Host.objects.filter(name="web-2").update(healthy=False, health_detail="answers 503")
    text = page(viewer, "environment", project.name, "production")
    assert "production runs release 1, one host is unhealthy" in text
    assert "answers 503" in text


def test_a_deploy_in_progress_shows_waves_phases_and_one_host_s_log(viewer: Client, project: Project) -> None:
    deploy = make_deploy(make_environment(project))
    finish_host(begin_deploy(deploy), "web-1")
    text = page(viewer, "deploy", project.name, deploy.number)
    assert "1 of 2 hosts done" in text
    assert 'aria-label="switch: done"' in text
    assert 'aria-label="switch: not yet"' in text
    assert "web-1: uploading" in text


def test_a_finished_deploy_that_is_live_offers_the_way_back(maintainer: Client, project: Project) -> None:
    environment = make_environment(project)
    make_live(environment)
    newest = make_live(environment)
    assert "Roll back to release 1" in page(maintainer, "deploy", project.name, newest.number)


def test_events_say_what_became_of_them_and_why(viewer: Client, project: Project) -> None:
    make_event(project, kind=EventKind.PULL_REQUEST, ref="refs/heads/x", fork=True)
    make_event(project, kind=EventKind.PUSH, ref="refs/heads/y", message="x [skip ci]")
    text = page(viewer, "events", project.name)
    assert "a fork&#x27;s pull request: somebody of the project has to look at its commit" in text
    assert "its commit message says [skip ci]" in text
    assert "its commit message says [skip ci]" not in page(viewer, "all-events", query="?show=run")


def test_what_people_and_schedules_ask_for_are_events_with_their_parameters(viewer: Client, project: Project) -> None:
    receiving.start_manually(project, "refs/heads/main", {"where": "staging"}, "ana (#1)")
    scheduled = receiving.start_scheduled(project, "nightly", "refs/heads/main", {}, "2026-01-01T02:30Z")
    text = page(viewer, "events", project.name)
    assert "main by hand" in text
    assert "where=staging" in text
    assert "main by schedule" in text
    assert "by the schedule nightly" in text
    assert "Main by schedule" in page(viewer, "event", project.name, scheduled.pk)


def test_a_pull_request_of_a_fork_is_called_by_its_number(viewer: Client, project: Project) -> None:
    event = make_event(project, kind=EventKind.PULL_REQUEST, ref="refs/pull/7/head", fork=True)
    assert "Pull request 7" in page(viewer, "event", project.name, event.pk)
    assert "from a fork: without secrets" in page(viewer, "event", project.name, event.pk)


def test_the_dashboard_says_what_waits_for_a_person_and_where_to_go(viewer: Client, project: Project) -> None:
    make_run(project, spec="image: busybox\nstages:\n  ship: {approval: {by: [ops]}, steps: [x]}\n")
    text = page(viewer, "dashboard")
    assert "<h1>1 waits for a person</h1>" in text  # and nothing of it runs meanwhile
    assert "ship waits for approval" in text
    assert "Approval by ops" in text


def test_an_event_s_payload_is_shown_as_text(viewer: Client, project: Project) -> None:
    event = make_event(project, payload={"title": "<script>alert(1)</script>"})
    text = page(viewer, "event", project.name, event.pk)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text


def test_every_page_obeys_the_content_policy(operator: Client, project: Project) -> None:
    environment = make_environment(project)
    make_live(environment)
    deploy = make_deploy(environment)
    begin_deploy(deploy)
    run = make_green_run(project)
    for name, arguments in (
        ("dashboard", []),
        ("project", [project.name]),
        ("run", [project.name, run.number]),
        ("environment", [project.name, environment.name]),
        ("hosts", [project.name, environment.name]),
        ("deploy", [project.name, deploy.number]),
        ("all-events", []),
        ("account", []),
    ):
        text = page(operator, name, *arguments)
        assert " style=" not in text, name
        assert "<style" not in text, name
        assert "<script>" not in text, name
        assert " onclick" not in text, name


def test_an_unknown_address_gets_our_own_page(viewer: Client) -> None:
    response = viewer.get("/projects/nowhere/")
    assert response.status_code == 404
    assert "nothing that you may see" in response.content.decode()


def test_a_release_is_named_on_the_run_that_cut_it(viewer: Client, project: Project) -> None:
    release = make_release(project)
    assert "release 1" in run_page(viewer, release.run)
