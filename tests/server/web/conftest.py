"""People in front of a browser."""

import pytest
from django.test import Client

from pipelines.projects.models import Project, Role
from tests.factories import make_operator, make_person, make_project


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def operator() -> Client:
    return signed_in(None, None)


@pytest.fixture
def owner(project: Project) -> Client:
    return signed_in(project, Role.OWNER)


@pytest.fixture
def maintainer(project: Project) -> Client:
    return signed_in(project, Role.MAINTAINER)


@pytest.fixture
def developer(project: Project) -> Client:
    return signed_in(project, Role.DEVELOPER)


@pytest.fixture
def viewer(project: Project) -> Client:
    return signed_in(project, Role.VIEWER)


def signed_in(project: Project | None, role: Role | None) -> Client:
    client = Client()
    client.force_login(make_person(project=project, role=role) if project and role else make_operator())
    return client
