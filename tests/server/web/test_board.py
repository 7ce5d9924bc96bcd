"""The environment board, what would change, the delivery figures."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.deploys import locks
from pipelines.deploys.models import Deploy, Environment, Freeze
from pipelines.projects.models import Project
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    configure,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_project,
    make_release,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(project: Project) -> Environment:
    """Release 1 is live."""
    environment = make_environment(project, is_production=True)
    make_live(environment)
    return environment


def board(client: Client) -> str:
    return client.get("/environments/").content.decode()


def preview(client: Client, environment: Environment, number: int) -> str:
    address = reverse("preview", args=[environment.project.name, environment.name, number])
    return client.get(address).content.decode()


def test_the_board_says_who_runs_what_and_what_would_change(viewer: Client, production: Environment) -> None:
    configure(production, {"WORKERS": "8"})
    make_release(production.project, title="Weigh parcels", author="dana", actor="dana")
    text = board(viewer)
    assert "1 environment, 1 behind" in text
    assert "2 of 2 healthy" in text
    assert "Weigh parcels" in text
    assert "by dana" in text
    assert "1 value changes: <code>WORKERS</code>" in text


def test_the_board_takes_only_releases_that_may_go_there(viewer: Client, production: Environment) -> None:
    make_release(production.project, ref="refs/heads/wip")
    bad = make_release(production.project)
    bad.quarantined_at = timezone.now()
    bad.save()
    assert "nothing: it runs the newest that it takes" in board(viewer)


def test_the_board_marks_locks_freezes_and_queues(viewer: Client, production: Environment) -> None:
    locks.take(production.project, None, "ada (#1)", "printers")
    now = timezone.now()
    ends = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(hours=1)}
    Freeze.objects.create(name="Fair", project=production.project, **ends)
    make_deploy(production)
    text = board(viewer)
    assert "locked by ada" in text
    assert "Fair until" in text
    assert "1 in the queue" in text


def test_nobody_sees_the_environments_of_others(viewer: Client, production: Environment) -> None:
    make_live(make_environment(make_project("secret-project")))
    assert "secret-project" not in board(viewer)


def test_a_preview_starts_nothing_and_says_what_would_change(maintainer: Client, production: Environment) -> None:
    configure(production, {"WORKERS": "8"})
    release = make_release(production.project)
    before = Deploy.objects.count()
    text = preview(maintainer, production, release.number)
    assert "Release 2 may go to production" in text
    assert "+ WORKERS=8" in text
    assert "Wave 2" in text
    assert "Nothing: no lock, no freeze" in text
    assert Deploy.objects.count() == before


def test_a_preview_names_each_gate_that_refuses(owner: Client, maintainer: Client, production: Environment) -> None:
    locks.take(production, None, "ada (#1)", "printers")
    Environment.objects.filter(pk=production.pk).update(approvals=2)
    release = make_release(production.project)
    text = preview(owner, production, release.number)
    assert "Release 2 would have to wait for production" in text
    assert "Locked by ada (#1): printers" in text
    assert "0 of 2 people have agreed" in text
    assert "Deploy release 2 anyway" in text
    assert "In spite of it: to deploy in spite of" in preview(maintainer, production, release.number)


def test_a_preview_of_what_never_may_go_there_has_no_button(owner: Client, production: Environment) -> None:
    release = make_release(production.project, ref="refs/heads/wip")
    text = preview(owner, production, release.number)
    assert "Release 2 cannot go to production" in text
    assert "production takes refs/heads/main" in text
    assert "Put release" not in text


def test_a_preview_of_an_earlier_release_says_what_it_takes_back(viewer: Client, production: Environment) -> None:
    make_live(production)
    assert "Takes back" in preview(viewer, production, 1)


def test_the_delivery_figures_are_those_of_the_ledger(viewer: Client, production: Environment) -> None:
    failed = finish_deploy(make_deploy(production), Status.FAILED)
    assert failed.undone_by is not None
    finish_deploy(failed.undone_by)
    begin_deploy(make_deploy(production))
    text = viewer.get(reverse("delivery", args=[production.project.name, production.name])).content.decode()
    assert "production gets a release once in 30 days" in text
    assert "1 of 2 changes failed or was rolled back" in text
    assert "50 %" in text
    assert "from push to live, the median" in text


def test_an_environment_without_deploys_has_no_figures(viewer: Client, project: Project) -> None:
    environment = make_environment(project)
    text = viewer.get(reverse("delivery", args=[project.name, environment.name])).content.decode()
    assert "Nothing was deployed to production in 30 days" in text


def test_many_projects_are_shown_some_at_a_time_and_found_by_name(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.web.board.PAGE", 2)
    for name in ("alpha", "beta", "gamma"):
        make_environment(make_project(name))
    first, last, found = (
        operator.get(reverse("board") + query).content.decode() for query in ("", "?page=2", "?find=AMM")
    )
    assert "Projects 1 to 2 of 3, by name." in first
    assert [name in first for name in ("h-alpha", "h-beta", "h-gamma")] == [True, True, False]
    assert [name in last for name in ("h-alpha", "h-beta", "h-gamma")] == [False, False, True]
    assert [name in found for name in ("h-alpha", "h-beta", "h-gamma")] == [False, False, True]
