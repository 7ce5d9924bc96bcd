"""Callers of the API."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from pipelines.projects.models import Project, Role
from tests.factories import make_operator, make_person, make_project
from tests.server.api.stand import Stand, bearing, make_stand, token_of


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    """Rows of each test begin at the same numbers, and so do the names under which callers are counted."""
    caches["limits"].clear()


@pytest.fixture
def stand() -> Stand:
    return make_stand()


@pytest.fixture
def operator() -> Client:
    return bearing(token_of(make_operator()))


@pytest.fixture
def project() -> Project:
    return make_project("shop")


@pytest.fixture
def ada(project: Project) -> User:
    return make_person("ada", project, Role.OWNER)
