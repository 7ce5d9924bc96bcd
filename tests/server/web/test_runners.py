"""The page of runners: what they do, as far as the person sees it, and draining."""

import pytest
from django.test import Client

from pipelines.projects.models import Project, Role
from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind, Runner
from pipelines.runs import lifecycle
from pipelines.states import leases
from tests.factories import make_project, make_run
from tests.server.web.conftest import signed_in

pytestmark = pytest.mark.django_db


def _come(pid: int = 7, labels: tuple[str, ...] = ()) -> Runner:
    return roster.register("north", pid, Kind.STAGE, labels, "1.0")


def _busy(project: Project, runner: Runner) -> None:
    run = make_run(project)
    lifecycle.claim_stage(run.stages.get(name="build").pk, runner.name, frozenset())


def _page(client: Client) -> str:
    return client.get("/runners/").content.decode()


def test_a_runner_shows_its_labels_and_links_to_the_stage_that_it_performs(viewer: Client, project: Project) -> None:
    _busy(project, _come(labels=("gpu",)))
    _come(8)
    page = _page(viewer)
    assert "1 of 2 places for stages taken" in page
    assert '<span class="tag">gpu</span>' in page
    assert f'<a href="/projects/{project}/runs/1/?stage=build">stage build of {project} run 1</a>' in page


def test_of_a_project_that_a_person_does_not_see_they_read_no_name(viewer: Client) -> None:
    other = make_project("hush-hush")
    _busy(other, _come())
    page = _page(viewer)
    assert "a stage of a project that you do not see" in page
    assert "hush-hush" not in page


def test_a_silent_runner_is_said_to_be_gone(viewer: Client) -> None:
    Runner.objects.filter(pk=_come().pk).update(seen_at=leases.until(-31))
    page = _page(viewer)
    assert "No runner takes stages" in page
    assert "gone" in page


def test_an_operator_drains_a_host_and_lets_it_work_again(operator: Client) -> None:
    runner = _come()
    assert "finishes what it does" in _post(operator, who="north", act="drain")
    assert roster.is_draining(runner)
    assert "Let north work again" in _page(operator)
    _post(operator, who="north", act="undo")
    assert not roster.is_draining(runner)


def test_an_operator_asks_one_runner_to_drain_and_end(operator: Client) -> None:
    runner = _come()
    _post(operator, who=runner.name, act="leave")
    assert roster.leaves(runner)
    assert "ends afterwards" in _page(operator)


def test_nobody_else_drains_anything(project: Project) -> None:
    runner = _come()
    client = signed_in(project, Role.OWNER)
    assert client.post("/runners/drain/", {"who": runner.name, "act": "drain"}).status_code == 403
    assert 'disabled title="to drain a runner takes an operator"' in _page(client)


def test_a_runner_that_is_not_there_cannot_be_drained(operator: Client) -> None:
    assert "Nothing was changed" in _post(operator, who="<b>nobody</b>", act="drain")


def _post(client: Client, **form: str) -> str:
    return client.post("/runners/drain/", form, follow=True).content.decode()
