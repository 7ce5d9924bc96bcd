"""From a commit to stages: real repositories, and all that a plan is made of."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from pipelines.errors import LostRace
from pipelines.projects import pipelines as server_pipelines
from pipelines.projects.models import Project
from pipelines.runs import approvals, lifecycle, receiving, reruns
from pipelines.runs.models import EventKind, Run, Template
from pipelines.runs.receiving import Incoming, receive
from pipelines.states.status import Status
from runners import planning
from tests.factories import finish_run, make_project, make_run
from tests.lab.codehost import CodeHost, Repository

pytestmark = pytest.mark.django_db

ONE = 'image: busybox\nstages:\n  test: {steps: ["true"]}\n'
BY_PATH = """\
image: busybox
stages:
  web: {when: {paths: "web/**"}, steps: ["true"]}
  api: {needs: [], when: {paths: "api/**"}, steps: ["true"]}
"""


@pytest.fixture(autouse=True)
def _mirrors(settings: Settings, tmp_path: Path) -> None:
    settings.SLIPWAY_MIRRORS_DIR = tmp_path / "mirrors"


@pytest.fixture
def host(tmp_path: Path) -> CodeHost:
    return CodeHost(tmp_path / "host")


@pytest.fixture
def shop(host: CodeHost) -> Repository:
    return host.create("acme/shop")


@pytest.fixture
def project(shop: Repository) -> Project:
    return make_project(clone_url=str(shop.bare))


def _plan(run: Run | None) -> Run:
    assert run is not None
    planning.plan(lifecycle.claim_planning(run.pk, "planner"))
    return Run.objects.get(pk=run.pk)


def _pushed(project: Project, shop: Repository, files: dict[str, str | None], message: str = "x", **fields: Any) -> Run:
    moved = shop.push(files, message, fields.pop("branch", "main"))
    before = fields.pop("before", moved.before)
    return _plan(make_run(project, spec=None, ref=moved.ref, sha=moved.after, before=before, title="", **fields))


def _stages(run: Run) -> dict[str, str]:
    return dict(run.stages.order_by("position").values_list("name", "status"))


def test_a_push_is_planned_from_its_commit_with_its_message(project: Project, shop: Repository) -> None:
    run = _pushed(project, shop, {".slipway.yml": ONE}, "Add a lamp\n\nIt shines.")
    assert (run.status, _stages(run)) == (Status.RUNNING, {"test": "queued"})
    assert (run.title, run.message) == ("Add a lamp", "Add a lamp\n\nIt shines.")
    assert run.spec_sources == [{"sha": run.sha, "path": ".slipway.yml"}]


def test_a_file_that_is_not_there_fails_the_run_and_says_where_it_was_looked_for(
    project: Project, shop: Repository
) -> None:
    run = _pushed(project, shop, {"README": "x"})
    assert (run.status, run.reason.startswith(".slipway.yml is not in commit")) == (Status.FAILED, True)


def test_a_file_with_mistakes_fails_the_run_and_names_them(project: Project, shop: Repository) -> None:
    run = _pushed(project, shop, {".slipway.yml": "image: busybox\nstages:\n  test: {step: [x]}\n"})
    assert run.status == Status.FAILED
    assert run.problems[0]["line"] == 3


def test_a_commit_that_asks_not_to_be_run_ends_well_without_stages(project: Project, shop: Repository) -> None:
    run = _pushed(project, shop, {".slipway.yml": ONE}, "Mend a typo [skip ci]")
    assert (run.status, run.reason) == (Status.SUCCEEDED, "its commit message says [skip ci]")
    assert (_stages(run), run.deploy_spec) == ({}, None)


def test_a_rerun_of_it_by_a_person_runs_it(project: Project, shop: Repository) -> None:
    run = _pushed(project, shop, {".slipway.yml": ONE}, "Mend a typo [skip ci]")
    assert _stages(_plan(reruns.rerun(run, "ada (#1)"))) == {"test": "queued"}


def test_by_hand_it_runs_too_at_the_tip_of_its_branch(project: Project, shop: Repository) -> None:
    moved = shop.push({".slipway.yml": ONE}, "Mend a typo [skip ci]")
    run = _plan(receiving.start_manually(project, "refs/heads/main", {}, "ada (#1)"))
    assert (run.sha, _stages(run)) == (moved.after, {"test": "queued"})


def test_a_branch_that_is_gone_fails_what_was_started_on_it(project: Project, shop: Repository) -> None:
    shop.push({".slipway.yml": ONE}, "x")
    run = _plan(receiving.start_manually(project, "refs/heads/other", {}, "ada (#1)"))
    assert (run.status, "there is no refs/heads/other" in run.reason) == (Status.FAILED, True)


def test_a_commit_that_is_not_of_the_branch_is_not_run_by_hand(project: Project, shop: Repository) -> None:
    shop.push({".slipway.yml": ONE}, "x")
    foreign = shop.push({".slipway.yml": ONE, "evil": "x"}, "y", "feature").after
    run = _plan(receiving.start_manually(project, "refs/heads/main", {}, "ada (#1)", sha=foreign))
    assert (run.status, "not in the history of refs/heads/main" in run.reason) == (Status.FAILED, True)
    assert _stages(_plan(receiving.start_manually(project, "refs/heads/feature", {}, "ada (#1)", sha=foreign)))


def test_parameters_are_checked_and_kept_as_they_are_used(project: Project, shop: Repository) -> None:
    shop.push({".slipway.yml": f"parameters: {{size: {{options: [small, big], default: small}}}}\n{ONE}"}, "x")
    run = _plan(receiving.start_manually(project, "refs/heads/main", {}, "ada (#1)"))
    assert (run.status, run.parameters) == (Status.RUNNING, {"size": "small"})
    run = _plan(receiving.start_manually(project, "refs/heads/main", {"size": "huge"}, "ada (#1)"))
    assert (run.status, "size" in run.reason) == (Status.FAILED, True)


def test_only_what_was_asked_for_runs_with_what_it_needs(project: Project, shop: Repository) -> None:
    stages = "".join(f'  {name}: {{steps: ["true"]}}\n' for name in ("build", "test", "pack"))
    text = f"image: busybox\nstages:\n{stages}"
    moved = shop.push({".slipway.yml": text}, "x")
    event = receiving.start(project, EventKind.MANUAL, moved.ref, {}, "ada (#1)", "", only=["test"])
    assert _stages(_plan(event.run)) == {"build": "queued", "test": "pending", "pack": "skipped"}
    event = receiving.start(project, EventKind.MANUAL, moved.ref, {}, "ada (#1)", "", only=["tst"])
    assert _plan(event.run).reason == "there is no stage tst in this run"


def test_stages_by_path_run_for_what_the_push_changed(project: Project, shop: Repository) -> None:
    first = _pushed(project, shop, {".slipway.yml": BY_PATH, "web/a": "1", "api/a": "1"}, before="0" * 40)
    assert _stages(first) == {"web": "queued", "api": "queued"}
    second = _pushed(project, shop, {"web/a": "2"})
    assert _stages(second) == {"web": "queued", "api": "skipped"}


def test_a_new_branch_is_compared_with_where_it_left_the_default_one(project: Project, shop: Repository) -> None:
    _pushed(project, shop, {".slipway.yml": BY_PATH, "web/a": "1", "api/a": "1"})
    run = _pushed(project, shop, {"api/a": "2"}, branch="feature", before="0" * 40)
    assert _stages(run) == {"web": "skipped", "api": "queued"}


def test_a_folder_holds_several_pipelines(shop: Repository) -> None:
    project = make_project(clone_url=str(shop.bare), spec_path=".slipway")
    files = {".slipway/web.yml": ONE, ".slipway/api.yaml": ONE.replace("test", "check"), ".slipway/README": "x"}
    run = _pushed(project, shop, dict(files))
    assert run.status == Status.RUNNING, run.reason
    assert len(_stages(run)) == 2
    assert sorted(source["path"] for source in run.spec_sources) == [".slipway/api.yaml", ".slipway/web.yml"]


def test_a_pipeline_that_is_kept_here_is_taken_in_its_newest_version_and_by_a_rerun_in_the_same(
    project: Project, shop: Repository
) -> None:
    server_pipelines.keep(project, ONE, "ada (#1)")
    run = _pushed(project, shop, {"README": "x"})
    assert (_stages(run), run.spec_sources) == ({"test": "queued"}, [{"version": "1"}])
    finish_run(run)
    server_pipelines.keep(project, ONE.replace("test", "check"), "ada (#1)", based_on=1)
    assert _stages(_plan(reruns.rerun(run, "ada (#1)"))) == {"test": "queued"}
    assert _stages(_pushed(project, shop, {"README": "y"})) == {"check": "queued"}


# What is included from elsewhere

TEMPLATE = 'stages:\n  lint: {image: busybox, steps: ["true"]}\n'


def _including(ref: str, project: str = "templates") -> str:
    return f"include: [{{project: {project}, ref: {ref}, path: lint.yml}}]\n{ONE}"


@pytest.fixture
def templates(host: CodeHost) -> Repository:
    repository = host.create("acme/templates")
    moved = repository.push({"lint.yml": TEMPLATE}, "x")
    repository.tag("v1", moved.after)
    return repository


def test_a_file_of_the_same_commit_is_included(project: Project, shop: Repository) -> None:
    run = _pushed(project, shop, {".slipway.yml": f"include: [ci/lint.yml]\n{ONE}", "ci/lint.yml": TEMPLATE})
    assert set(_stages(run)) == {"test", "lint"}


def test_a_template_is_included_at_its_tag_and_the_run_notes_which_commit_that_was(
    project: Project, shop: Repository, templates: Repository
) -> None:
    template = make_project("templates", clone_url=str(templates.bare))
    Template.objects.create(project=template)
    run = _pushed(project, shop, {".slipway.yml": _including("v1")})
    assert set(_stages(run)) == {"test", "lint"}, run.reason
    sha = templates.head("refs/heads/main")
    source = {"project": "templates", "ref": "refs/tags/v1", "sha": sha, "path": "lint.yml"}
    assert source in run.spec_sources
    run = _pushed(project, shop, {".slipway.yml": _including(sha)})
    assert set(_stages(run)) == {"test", "lint"}, run.reason


def test_a_project_that_no_operator_offers_is_not_read(
    project: Project, shop: Repository, templates: Repository
) -> None:
    make_project("templates", clone_url=str(templates.bare))
    for name in ("templates", "nothing"):
        run = _pushed(project, shop, {".slipway.yml": _including("v1", name)})
        assert (run.status, "an operator can make it a template" in run.reason) == (Status.FAILED, True)


def test_a_tag_that_the_template_does_not_have_fails_the_run(
    project: Project, shop: Repository, templates: Repository
) -> None:
    Template.objects.create(project=make_project("templates", clone_url=str(templates.bare)))
    run = _pushed(project, shop, {".slipway.yml": _including("v2")})
    assert (run.status, "templates has no v2" in run.reason) == (Status.FAILED, True)


# Of forks


def test_a_forks_commit_is_planned_from_where_the_project_keeps_it_once_it_is_approved(
    project: Project, shop: Repository
) -> None:
    shop.push({".slipway.yml": BY_PATH, "web/a": "1", "api/a": "1"}, "x")
    forked = shop.push({"api/a": "evil"}, "y", "theirs")
    shop._bare_git("update-ref", "refs/pull/7/head", forked.after)
    shop._bare_git("update-ref", "-d", "refs/heads/theirs")
    incoming = Incoming(
        kind=EventKind.PULL_REQUEST,
        ref="refs/pull/7/head",
        sha=forked.after,
        target="refs/heads/main",
        actor="mallory",
        fork=True,
    )
    run = receive(project, incoming).event.run
    assert run is not None
    with pytest.raises(LostRace):
        _plan(run)
    approvals.approve_run(run, "ada (#1)", forked.after)
    planned = _plan(run)
    assert _stages(planned) == {"web": "skipped", "api": "queued"}, planned.reason
