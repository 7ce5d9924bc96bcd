"""Starting a run by hand, with what the pipeline asks for."""

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.projects import pipelines
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from tests.factories import make_run

pytestmark = pytest.mark.django_db
ASKS = """\
image: busybox
parameters:
  where: {options: [staging, production], default: staging, description: Where it goes}
  loud: true
  count: {type: number, default: 3}
  note: {description: For the log}
stages:
  ship: {steps: [ship]}
"""


def form(client: Client, project: Project) -> str:
    response = client.get(reverse("run-start", args=[project.name]))
    assert response.status_code == 200
    return response.content.decode()


def started(project: Project) -> Run | None:
    return project.runs.filter(event_kind="manual").first()


def test_a_project_whose_pipeline_asks_for_nothing_says_so(developer: Client, project: Project) -> None:
    make_run(project)
    assert "The pipeline asks for no parameters" in form(developer, project)


def test_the_form_asks_what_the_pipeline_asked_when_it_was_last_planned(developer: Client, project: Project) -> None:
    make_run(project, spec=ASKS)
    make_run(project, ref="refs/heads/other")
    make_run(project, spec=None)
    text = form(developer, project)
    assert '<option value="production">' in text
    assert '<option value="true" selected>yes</option>' in text
    assert 'name="parameter-count" value="3" inputmode="decimal"' in text
    assert 'name="parameter-note" value="" required' in text
    assert "Where it goes" in text


def test_a_pipeline_that_is_kept_here_is_asked_itself(developer: Client, project: Project) -> None:
    pipelines.keep(project, ASKS.replace("note", "remark"), "ada (#1)")
    assert 'name="parameter-remark"' in form(developer, project)


def test_a_run_starts_with_what_was_filled_in_and_of_the_named_branch(developer: Client, project: Project) -> None:
    make_run(project, spec=ASKS)
    given = {"parameter-where": "production", "parameter-loud": "false", "parameter-count": "7", "parameter-note": "x"}
    response = developer.post(reverse("run-start", args=[project.name]), {"ref": "release/2", **given})
    run = started(project)
    assert run is not None
    assert response["Location"] == reverse("run", args=[project.name, run.number])
    assert (run.ref, run.status) == ("refs/heads/release/2", "queued")
    assert run.parameters == {"where": "production", "loud": "false", "count": "7", "note": "x"}


def test_what_does_not_fit_is_said_and_what_was_typed_stays(developer: Client, project: Project) -> None:
    make_run(project, spec=ASKS)
    given = {"parameter-count": "many", "parameter-note": "keep <this>"}
    response = developer.post(reverse("run-start", args=[project.name]), {"ref": "main", **given})
    text = response.content.decode()
    assert response.status_code == 400
    assert "count:" in text
    assert "keep &lt;this&gt;" in text
    assert started(project) is None


def test_a_ref_that_is_none_is_refused(developer: Client, project: Project) -> None:
    response = developer.post(reverse("run-start", args=[project.name]), {"ref": "refs/pull/7/head"})
    assert "no full name of a branch or tag" in response.content.decode()


def test_a_viewer_is_told_why_they_may_not(viewer: Client, project: Project) -> None:
    assert "to start a run takes the role developer" in form(viewer, project)
    assert viewer.post(reverse("run-start", args=[project.name]), {"ref": "main"}).status_code == 403
    assert started(project) is None
