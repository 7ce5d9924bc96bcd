"""What all tests of signing in share."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from tests.server.web.signing.steps import person_with_password


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """Tries and letters are counted in the cache."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ada() -> User:
    return person_with_password()
