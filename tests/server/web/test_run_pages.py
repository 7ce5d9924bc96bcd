"""What a run's page says of waiting, people, retries and what was taken over; and what people do there."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from pipelines.logs import store
from pipelines.projects.models import Project, Role
from pipelines.runs import lifecycle, reruns
from pipelines.runs.models import Approval, Artifact, EventKind, Run, Stage
from pipelines.services.models import Service
from pipelines.states.status import Status
from tests.factories import finish_stage, make_event, make_person, make_red_run, make_run, plan, start_stage
from tests.server.web.conftest import signed_in

pytestmark = pytest.mark.django_db
GATE = """\
image: busybox
stages:
  ship:
    approval: {by: [ops], count: 2, message: Look at staging first, ask: {ticket: {description: Number of the change}}}
    steps: [ship]
"""
MATRIX = 'image: busybox\nstages:\n  test:\n    matrix: {on: ["a/b c", "d&e"], n: [1]}\n    steps: [x]\n'
RETRIED = "image: busybox\nstages:\n  flaky: {retry: {times: 2, on: [infrastructure]}, steps: [x]}\n"


def shown(client: Client, run: Run, **query: str | int) -> str:
    response = client.get(reverse("run", args=[run.project.name, run.number]), query)
    assert response.status_code == 200
    return response.content.decode()


def act(client: Client, name: str, run: Run, **form: object) -> Any:
    return client.post(reverse(name, args=[run.project.name, run.number]), form, follow=True)


def member(project: Project, team: str = "ops", role: Role = Role.DEVELOPER) -> tuple[Client, User]:
    person = make_person(project=project, role=role)
    person.groups.add(Group.objects.get_or_create(name=team)[0])
    client = Client()
    client.force_login(person)
    return client, person


def fork(project: Project) -> Run:
    run = make_event(project, kind=EventKind.PULL_REQUEST, ref="refs/pull/7/head", fork=True).run
    assert run is not None
    return run


def test_a_stage_that_waits_for_people_says_for_whom_and_asks_its_questions(project: Project) -> None:
    run = make_run(project, spec=GATE)
    client, _ = member(project)
    text = shown(client, run)
    assert "Waits for approval by ops (0 of 2)." in text
    assert "Look at staging first" in text
    assert "Number of the change" in text
    assert "Approve ship" in text


def test_enough_people_start_a_stage_and_their_answers_stay_to_be_read(project: Project) -> None:
    run = make_run(project, spec=GATE)
    (ana, _), (bea, _) = member(project), member(project)
    first = act(ana, "stage-approve", run, stage="ship", **{"answer-ticket": "OPS-7"})
    assert "Your approval of ship is noted; more are needed." in first.content.decode()
    assert "ship starts." in act(bea, "stage-approve", run, stage="ship", **{"answer-ticket": "OPS-8"}).content.decode()
    assert Stage.objects.get(run=run).status == Status.QUEUED
    text = shown(ana, run)
    assert "ticket=OPS-7" in text
    assert "Approve ship" not in text


def test_a_missing_answer_is_said_and_nothing_is_noted(project: Project) -> None:
    run = make_run(project, spec=GATE)
    client, _ = member(project)
    assert "Not taken: ticket: this is needed." in act(client, "stage-approve", run, stage="ship").content.decode()
    assert not Approval.objects.exists()


def test_who_is_of_no_team_that_is_asked_is_told_so(developer: Client, project: Project) -> None:
    run = make_run(project, spec=GATE)
    assert "You cannot: it asks for somebody of ops." in shown(developer, run)
    act(developer, "stage-approve", run, stage="ship", **{"answer-ticket": "x"})
    assert not Approval.objects.exists()


def test_a_refusal_ends_the_stage_with_who_and_why(project: Project) -> None:
    run = make_run(project, spec=GATE)
    client, person = member(project)
    act(client, "stage-refuse", run, stage="ship", reason="not on a Friday")
    text = shown(client, run)
    assert Stage.objects.get(run=run).status == Status.CANCELLED
    assert f"Refused by {person.username}" in text
    assert "not on a Friday" in text


def test_an_approval_of_a_stage_that_there_is_not_is_not_found(developer: Client, project: Project) -> None:
    run = make_run(project, spec=GATE)
    response = developer.post(reverse("stage-approve", args=[project.name, run.number]), {"stage": "nothing"})
    assert response.status_code == 404


def test_a_fork_s_commit_waits_for_a_maintainer_who_has_read_exactly_it(
    maintainer: Client, developer: Client, project: Project
) -> None:
    run = fork(project)
    assert "This commit comes from a fork." in shown(maintainer, run)
    assert "To let a fork&#x27;s code run takes the role maintainer" in shown(developer, run)
    assert "look at that one" in act(maintainer, "run-let-in", run, sha="0" * 40).content.decode()
    act(maintainer, "run-let-in", run, sha=run.sha)
    run.refresh_from_db()
    assert run.status == Status.QUEUED
    assert "Let in by" in shown(maintainer, run)


def test_a_run_is_run_again_whole_or_only_what_failed(developer: Client, project: Project) -> None:
    run = make_red_run(project)
    act(developer, "run-rerun", run)
    act(developer, "run-rerun", run, only="failed")
    whole, part = Run.objects.filter(rerun_of=run).order_by("number")
    assert (whole.only_failed, part.only_failed) == (False, True)
    assert f"run {run.number}</a> again, what failed" in shown(developer, part)


def test_a_run_that_goes_on_is_not_run_again(developer: Client, project: Project) -> None:
    run = make_run(project)
    assert "Run all again" not in shown(developer, run)
    assert "has not ended" in act(developer, "run-rerun", run).content.decode()
    assert not Run.objects.filter(rerun_of=run).exists()


def test_what_was_taken_over_shows_its_log_and_the_run_it_comes_from(developer: Client, project: Project) -> None:
    run = make_red_run(project)
    again = reruns.rerun(run, "ana (#1)", only_failed=True)
    plan(again)
    text = shown(developer, again, stage="build")
    assert f'href="{reverse("run", args=[project.name, run.number])}?stage=build">run {run.number}</a>' in text
    assert f'data-log="{run.stages.get(name="build").attempts.get().log_id}"' in text
    assert f"from run {run.number}" in text
    assert "Download dist/" in text


def test_a_stage_that_is_tried_again_says_when_and_why_and_keeps_the_earlier_log(
    viewer: Client, project: Project
) -> None:
    run = make_run(project, spec=RETRIED)
    first = start_stage(run)
    lifecycle.finish_attempt(first, Status.ERRORED, reason="the engine went away")
    Stage.objects.filter(run=run).update(ready_at=timezone.now() + timedelta(seconds=50.2))
    text = shown(viewer, run)
    assert re.search(r"Tried again in [1-5]?\d s\.", text)
    assert "The attempt before ended: the engine went away." in text
    Stage.objects.filter(run=run).update(ready_at=None)
    second = start_stage(run)
    assert f'data-log="{second.log_id}"' in shown(viewer, run)
    assert f'data-log="{first.log_id}"' in shown(viewer, run, stage="flaky", attempt=1)
    assert "This is an earlier attempt, it ended errored" in shown(viewer, run, stage="flaky", attempt=1)


def test_no_runner_with_a_label_is_said_on_the_stage_and_its_row(viewer: Client, project: Project) -> None:
    text = shown(viewer, make_run(project, spec="image: busybox\nstages:\n  a: {labels: [gpu], steps: [x]}\n"))
    assert "No runner is there." in text
    assert 'title="no runner is there"' in text


def test_a_failure_that_is_allowed_spoils_nothing_and_is_told_as_such(viewer: Client, project: Project) -> None:
    run = make_run(project, spec="image: busybox\nstages:\n  a: {allow_failure: true, steps: [x]}\n")
    finish_stage(run, status=Status.FAILED)
    text = shown(viewer, run)
    assert "succeeded: " in text.partition("</title>")[0]
    assert "It may fail: this stops nobody, and spoils no verdict." in text
    assert "Run again what failed" not in text


def test_a_stage_that_was_skipped_says_why(viewer: Client, project: Project) -> None:
    spec = "image: busybox\nstages:\n  a: {when: {branch: release}, steps: [x]}\n  b: {needs: [], steps: [x]}\n"
    run = make_run(project, spec=spec)
    reason = run.stages.get(name="a").reason
    assert reason
    assert f"It was skipped: {reason}" in shown(viewer, run, stage="a").replace("&#x27;", "'").replace("&quot;", '"')


@pytest.mark.parametrize("name", ["test (a/b c, 1)", "test (d&e, 1)"])
def test_a_stage_is_reached_whatever_letters_a_matrix_put_into_its_name(
    viewer: Client, project: Project, name: str
) -> None:
    run = make_run(project, spec=MATRIX)
    assert sorted(run.stages.values_list("name", flat=True)) == ["test (a/b c, 1)", "test (d&e, 1)"]
    attempt = start_stage(run, name)
    text = shown(viewer, run, stage=name)
    assert f'aria-label="Stage {escape(name)}"' in text
    assert f'data-log="{attempt.log_id}"' in text
    assert "?stage=test%20%28a%2Fb%20c%2C%201%29" in text


def test_a_service_s_log_is_a_tab_beside_the_steps_and_who_sees_the_run_reads_it(
    viewer: Client, project: Project
) -> None:
    run = make_run(project)
    attempt = start_stage(run)
    log = store.open_log()
    store.append(log, b"ready for connections\n", 22)
    Service.objects.create(attempt=attempt, name="db", image="postgres:16", condition="ready after 2.1 s", log=log)
    assert "ready after 2.1 s" in shown(viewer, run)
    text = shown(viewer, run, stage="build", service="db")
    assert f'data-log="{log.pk}"' in text
    assert "postgres:16" in text
    assert viewer.get(reverse("log", args=[log.pk])).status_code == 200
    assert signed_in_elsewhere().get(reverse("log", args=[log.pk])).status_code == 404


def signed_in_elsewhere() -> Client:
    client = Client()
    client.force_login(make_person())
    return client


def test_an_image_is_an_artifact_by_its_digest_and_nothing_to_download(viewer: Client, project: Project) -> None:
    run = make_run(project)
    attempt = finish_stage(run)
    image = Artifact.objects.create(attempt=attempt, path="image shop:1", digest="ab" * 32, size=9, storage_name="")
    text = shown(viewer, run, stage="build")
    assert f"sha256:{'ab' * 32}" in text
    assert reverse("artifact", args=[image.pk]) not in text
    assert viewer.get(reverse("artifact", args=[image.pk])).status_code == 404


def test_the_title_block_has_the_run_s_parameters(viewer: Client, project: Project) -> None:
    spec = "image: busybox\nparameters: {where: staging}\nstages: {a: {steps: [x]}}\n"
    assert "where=<b>staging</b>" in shown(viewer, make_run(project, spec=spec))


def test_a_stage_tells_how_it_is_run_on_a_laptop(viewer: Client, project: Project) -> None:
    text = shown(viewer, make_run(project))
    assert "slipway run --stage build" in text


def test_what_only_some_may_do_is_refused_to_the_others(project: Project) -> None:
    run = make_run(project, spec=GATE)
    for role, allowed in ((Role.VIEWER, False), (Role.DEVELOPER, True), (Role.MAINTAINER, True), (Role.OWNER, True)):
        client = signed_in(project, role)
        for name in ("run-rerun", "stage-refuse", "stage-approve"):
            response = client.post(reverse(name, args=[project.name, run.number]), {"stage": "ship"})
            assert response.status_code == (302 if allowed else 403), (role, name)
    assert Stage.objects.get(run=run).status == Status.BLOCKED  # they are of no team that is asked
