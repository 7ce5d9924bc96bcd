"""What waits and why, over all projects that a person sees."""

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.projects.models import Project
from pipelines.runs.models import EventKind
from tests.factories import make_deploy, make_environment, make_event, make_live, make_project, make_run, start_stage

pytestmark = pytest.mark.django_db
GATE = "image: busybox\nstages:\n  ship: {approval: {by: [ops]}, steps: [x]}\n"
GPU = "image: busybox\nstages:\n  train: {labels: [gpu], steps: [x]}\n"


def queue(client: Client) -> str:
    response = client.get(reverse("queue"))
    assert response.status_code == 200
    return response.content.decode()


def test_nothing_waits(viewer: Client) -> None:
    assert "<h1>Nothing waits</h1>" in queue(viewer)


def test_what_waits_for_people_stands_apart_with_whom_it_waits_for(viewer: Client, project: Project) -> None:
    make_run(project, spec=GATE)
    make_event(project, kind=EventKind.PULL_REQUEST, ref="refs/pull/7/head", fork=True)
    text = queue(viewer)
    assert "<h1>2 things wait, 2 for a person</h1>" in text
    assert "Approval by ops" in text
    assert "Somebody has to let this fork&#x27;s commit in" in text


def test_stages_stand_in_the_order_in_which_they_are_taken_with_their_reasons(viewer: Client, project: Project) -> None:
    first, second = make_run(project, spec=GPU), make_run(project)
    text = queue(viewer)
    assert text.index(f"run {first.number}, train") < text.index(f"run {second.number}, build")
    assert "no runner is there" in text


def test_a_run_that_nobody_has_planned_and_a_deploy_behind_another_wait_as_well(
    viewer: Client, project: Project
) -> None:
    make_run(project, spec=None)
    environment = make_environment(project)
    make_live(environment)
    make_deploy(environment)
    text = queue(viewer)
    assert "waits to be planned" in text
    assert "its turn in production" in text


def test_nothing_of_other_projects_is_shown_or_counted(viewer: Client, operator: Client) -> None:
    other = make_project()
    make_run(other)
    assert other.name not in queue(viewer)
    assert 'id="queue-n">0<' in queue(viewer)
    assert 'id="queue-n">1<' in queue(operator)


def test_what_runs_does_not_wait(operator: Client) -> None:
    start_stage(make_run())
    assert "Nothing waits" in queue(operator)
