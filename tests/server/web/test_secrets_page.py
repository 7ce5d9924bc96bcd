"""Owners see which secrets there are, who changed them and what asks for them; nobody sees a value."""

import pytest
from django.test import Client

from pipelines.deploys.models import EnvironmentSecret
from pipelines.projects.models import Project
from tests.factories import SPEC, make_environment, make_run

pytestmark = pytest.mark.django_db

VALUE = "a value that nobody sees"


def page(client: Client, project: Project) -> str:
    return client.get(f"/projects/{project}/secrets/").content.decode()


def put(client: Client, project: Project, name: str = "TOKEN", value: str = VALUE) -> int:
    return client.post(f"/projects/{project}/secrets/", {"name": name, "value": value}).status_code


def test_a_secret_is_added_and_stands_with_who_changed_it(project: Project, owner: Client) -> None:
    assert put(owner, project) == 302
    shown = page(owner, project)
    assert "TOKEN" in shown
    assert "by person-" in shown
    assert VALUE not in shown
    assert project.secrets.get().value == VALUE


def test_a_value_that_is_too_short_is_refused_and_not_given_back(project: Project, owner: Client) -> None:
    response = owner.post(f"/projects/{project}/secrets/", {"name": "TOKEN", "value": "shorty"})
    assert response.status_code == 400
    shown = response.content.decode()
    assert "At least 8 bytes" in shown
    assert "shorty" not in shown
    assert 'value="TOKEN"' in shown


def test_a_secret_is_removed(project: Project, owner: Client) -> None:
    put(owner, project)
    owner.post(f"/projects/{project}/secrets/remove/", {"name": "TOKEN"})
    assert not project.secrets.exists()
    assert "None yet." in page(owner, project)


def test_the_stages_that_ask_for_it_are_named_and_so_is_what_is_missing(project: Project, owner: Client) -> None:
    make_run(project, spec=SPEC.replace("  test:\n", "  test:\n    secrets: [TOKEN, CODECOV_TOKEN]\n"))
    put(owner, project)
    put(owner, project, "UNUSED")
    shown = page(owner, project)
    assert "<td>test</td>" in shown
    assert "no stage of run 1" in shown
    assert "1 secret is asked for and not here" in shown
    assert "CODECOV_TOKEN" in shown


def test_an_environment_s_secrets_stand_by_name(project: Project, owner: Client) -> None:
    environment = make_environment(project)
    EnvironmentSecret.objects.create(environment=environment, name="DATABASE_URL", value=VALUE)
    shown = page(owner, project)
    assert "DATABASE_URL" in shown
    assert VALUE not in shown
    assert f"/projects/{project}/environments/{environment.name}/" in shown
