"""The button, from the page to the row."""

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, releases
from pipelines.deploys.models import Deploy, DeployKind, Environment, EnvironmentSecret, Release
from pipelines.projects.models import Project
from pipelines.runs.models import Stage
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    configure,
    finish_deploy,
    finish_host,
    finish_run,
    make_deploy,
    make_environment,
    make_live,
    make_release,
    make_rollback,
    make_run,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(project: Project) -> Environment:
    """Releases 1 and 2 ran with other values each; 3 is live."""
    environment = make_environment(project)
    for workers in ("4", "6", "8"):
        configure(environment, {"WORKERS": workers, "CURRENCY": "EUR"})
        make_live(environment)
    EnvironmentSecret.objects.create(environment=environment, name="DATABASE_URL", value="postgres://very-secret")
    return environment


def roll_back(client: Client, environment: Environment, release: int, live: int) -> str:
    address = reverse("roll-back", args=[environment.project.name, environment.name])
    response = client.post(address, {"release": release, "live": live}, follow=True)
    return response.content.decode()


def panel(client: Client, environment: Environment, query: str = "") -> str:
    address = reverse("environment", args=[environment.project.name, environment.name])
    text = client.get(address + query).content.decode()
    return text[text.index('id="rollback"') : text.index('id="hosts"')]


def test_the_panel_says_what_the_button_will_change(maintainer: Client, production: Environment) -> None:
    text = panel(maintainer, production)
    assert "Roll back to release 2" in text
    assert "− WORKERS=8" in text
    assert "+ WORKERS=6" in text
    assert "CURRENCY" not in text
    assert "1 stays as it is now" in text
    assert "3 is quarantined" in text


def test_no_secret_value_is_on_the_page(maintainer: Client, production: Environment) -> None:
    assert "very-secret" not in panel(maintainer, production)


def test_another_kept_release_can_be_looked_at_first(maintainer: Client, production: Environment) -> None:
    text = panel(maintainer, production, "?to=1")
    assert "Roll back to release 1" in text
    assert "2 releases" in text
    assert "+ WORKERS=4" in text


def test_pressing_it_queues_a_rollback_and_builds_nothing(maintainer: Client, production: Environment) -> None:
    stages = Stage.objects.count()
    text = roll_back(maintainer, production, release=2, live=3)
    deploy = Deploy.objects.latest("pk")
    assert (deploy.kind, deploy.release.number) == (DeployKind.ROLLBACK, 2)
    assert deploy.configuration.values["WORKERS"] == "6"
    assert "Back to release 2" in text
    assert Stage.objects.count() == stages
    assert Act.objects.filter(verb="asked to roll back").count() == 1


def test_what_is_broken_is_asked_and_stands_on_the_release_and_in_the_audit(
    maintainer: Client, developer: Client, production: Environment
) -> None:
    assert 'form="back" name="why"' in panel(maintainer, production)
    assert 'name="why"' not in panel(developer, production)
    address = reverse("roll-back", args=[production.project.name, production.name])
    maintainer.post(address, {"release": 2, "live": 3, "why": "carts lose their last line"})
    assert Act.objects.get(verb="asked to roll back").reason == "carts lose their last line"
    assert production.project.releases.get(number=3).quarantined_because == "carts lose their last line"


def test_two_clicks_never_toggle(maintainer: Client, production: Environment) -> None:
    roll_back(maintainer, production, release=2, live=3)
    text = roll_back(maintainer, production, release=3, live=3)
    assert "Nothing was started: release 3 is live, quarantined, or never ran well" in text


def test_a_page_that_shows_what_is_no_longer_live_starts_nothing(maintainer: Client, production: Environment) -> None:
    before = Deploy.objects.count()
    text = roll_back(maintainer, production, release=1, live=2)
    assert "production runs release 3 now, not 2" in text
    assert Deploy.objects.count() == before


def test_with_nothing_to_go_back_to_the_button_is_disabled_and_says_why(maintainer: Client, project: Project) -> None:
    environment = make_environment(project)
    assert "so there is nothing to take back" in panel(maintainer, environment)
    make_live(environment)
    assert "no earlier release that ran well here" in panel(maintainer, environment)


def test_a_developer_sees_the_button_disabled_with_the_reason(developer: Client, production: Environment) -> None:
    text = panel(developer, production)
    assert "to roll back takes the role maintainer" in text
    assert "disabled" in text


def test_a_release_is_deployed_by_its_button(maintainer: Client, production: Environment) -> None:
    release = make_release(production.project)
    address = reverse("environment-deploy", args=[production.project.name, production.name])
    maintainer.post(address, {"release": release.number, "why": "the fair begins"})
    deploy = Deploy.objects.latest("pk")
    assert (deploy.release, deploy.why) == (release, "the fair begins")


def test_a_release_of_another_branch_is_refused_with_the_reason(maintainer: Client, production: Environment) -> None:
    release = make_release(production.project, ref="refs/heads/x-v1.2.3")
    address = reverse("environment-deploy", args=[production.project.name, production.name])
    text = maintainer.post(address, {"release": release.number}, follow=True).content.decode()
    assert "production takes refs/heads/main" in text


def test_a_deploy_is_cancelled_by_its_button(maintainer: Client, production: Environment) -> None:
    deploy = make_deploy(production)
    maintainer.post(reverse("deploy-cancel", args=[production.project.name, deploy.number]))
    deploy.refresh_from_db()
    assert deploy.cancel_requested_at is not None


@pytest.mark.parametrize("kind", DeployKind)
def test_a_developer_cancels_neither_a_deploy_nor_a_rollback(
    developer: Client, production: Environment, kind: DeployKind
) -> None:
    deploy = make_deploy(production, kind=kind)
    address = reverse("deploy", args=[production.project.name, deploy.number])
    assert "to cancel a deploy takes the role maintainer" in developer.get(address).content.decode()
    assert developer.post(f"{address}cancel/").status_code == 403
    deploy.refresh_from_db()
    assert deploy.cancel_requested_at is None


def test_after_a_stopped_deploy_the_button_brings_back_what_is_live(
    maintainer: Client, production: Environment
) -> None:
    stopped = finish_deploy(make_deploy(production), Status.CANCELLED)
    for text in (panel(maintainer, production), deploy_page(maintainer, stopped)):
        assert "Roll back to release 3" in text
    text = panel(maintainer, production)
    assert "1 host may run something else than release 3" in text
    assert f"deploy {stopped.number}</a> of release 4 was cancelled" in text
    assert "4 is quarantined" in text
    roll_back(maintainer, production, release=3, live=3)
    deploy = Deploy.objects.latest("pk")
    assert (deploy.kind, deploy.release.number) == (DeployKind.ROLLBACK, 3)
    quarantined = production.project.releases.exclude(quarantined_at=None)
    assert [release.number for release in quarantined] == [4]


def deploy_page(client: Client, deploy: Deploy) -> str:
    address = reverse("deploy", args=[deploy.environment.project.name, deploy.number])
    return client.get(address).content.decode()


def abort(client: Client, deploy: Deploy) -> str:
    address = reverse("deploy-abort", args=[deploy.environment.project.name, deploy.number])
    return client.post(address, follow=True).content.decode()


def test_while_a_deploy_runs_one_button_stops_it_and_goes_back(maintainer: Client, production: Environment) -> None:
    running = begin_deploy(make_deploy(production))
    finish_host(running, "web-1")
    for text in (panel(maintainer, production), deploy_page(maintainer, running)):
        assert "Stop and roll back to release 3" in text
        assert "cancel it first" not in text
    text = abort(maintainer, running)
    assert "Stopping, then back to release 3" in text
    assert "Stop and roll back" not in text
    back = lifecycle.finish_deploy(running, Status.CANCELLED)
    assert back is not None
    assert (back.release.number, back.asked_by.split()[0]) == (3, Act.objects.latest("pk").actor.split()[0])
    assert f"Taken back by rollback {back.number}" in deploy_page(maintainer, running)


def test_a_migration_that_cannot_be_undone_is_told_beside_that_button(
    maintainer: Client, production: Environment
) -> None:
    running = begin_deploy(make_deploy(production))
    spec = {**running.release.deploy_spec, "irreversible": True}
    Release.objects.filter(pk=running.release_id).update(deploy_spec=spec)
    told = "its migration has run and cannot be undone"
    assert told not in deploy_page(maintainer, running)
    lifecycle.note_migrated(running)
    for text in (panel(maintainer, production), deploy_page(maintainer, running)):
        assert told in text


def test_a_developer_sees_that_button_disabled(developer: Client, production: Environment) -> None:
    running = begin_deploy(make_deploy(production))
    for text in (panel(developer, production), deploy_page(developer, running)):
        assert "disabled" in text
        assert "to roll back takes the role maintainer" in text


def test_while_a_way_back_runs_the_page_says_to_cancel_it_first(maintainer: Client, production: Environment) -> None:
    two = production.project.releases.get(number=2)
    running = begin_deploy(make_rollback(production, two))
    text = panel(maintainer, production)
    assert f"Rollback {running.number}</a> to release 2 is under way: cancel it first" in text
    assert "oll back to release" not in text
    text = roll_back(maintainer, production, release=1, live=3)
    assert f"Nothing was started: rollback {running.number} of release 2 is under way: cancel it first" in text


def test_a_release_that_a_later_run_has_overtaken_says_so(viewer: Client, project: Project) -> None:
    environment = make_environment(project, automatic=True)
    older, newer = make_run(project), make_run(project)
    for run in (newer, older):
        assert releases.release(finish_run(run))
    text = viewer.get(reverse("environment", args=[project.name, environment.name])).content.decode()
    assert "2 was not deployed by itself: release 1 of a later run was cut before it" in text
    assert "overtaken by 1" in text
    text = viewer.get(reverse("run", args=[project.name, older.number])).content.decode()
    assert "not deployed by itself: release 1 of a later run was cut before it" in text


def test_a_deploy_s_page_shows_what_was_frozen_when_it_began(viewer: Client, production: Environment) -> None:
    waiting = make_deploy(production)
    assert "frozen when it begins" in deploy_page(viewer, waiting)
    begin_deploy(waiting)
    Environment.objects.update(at_once=1, max_unreachable=7, on_breach="stop")
    text = deploy_page(viewer, waiting)
    assert "as frozen" in text
    assert "5 hosts at once" in text
    assert "rolls the switched hosts back to 3 by itself" in text
    assert "out of reach" not in text
