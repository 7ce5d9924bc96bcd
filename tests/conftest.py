"""What all tests share: the engine, the lab's images, and the promise that nothing is skipped in silence."""

import signal
from collections.abc import Iterator

import pytest
from django.db import connection
from docker import DockerClient
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from tests.lab.ground import open_engine
from tests.lab.images import image

collect_ignore_glob = ["lab/shop/*"]  # the demo application's own tests, which its pipeline runs
# How long an example takes says nothing on a machine that others use.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# A suite in the background may have been started with Ctrl-C ignored, which all that it starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
_END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}
# These write and read records only through verbs and queries whose own tests run on each database.
_OF_OTHER_THINGS = ("tests/browser", "tests/server/live", "tests/runners/containers", "tests/runners/hosts")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when any test was skipped")
    parser.addoption("--database-only", action="store_true", help="run only the tests of what the database does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--database-only"):
        kept = [item for item in items if _uses_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if not _uses_database(item)])
        items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --no-skips a skipped test fails the session; pytest's summary names it and its reason."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Threads of the product keep their connections for a while, and PostgreSQL drops no database that is in use."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(_END_OTHER_SESSIONS)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """The Docker engine; the suite needs one, so there is no going without."""
    client = open_engine()
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox_image(engine: DockerClient) -> str:
    """The smallest image with a shell."""
    return image("busybox", engine)


@pytest.fixture(scope="session")
def python_image(engine: DockerClient) -> str:
    """A small Debian with Python."""
    return image("python", engine)


def _uses_database(item: pytest.Item) -> bool:
    if item.nodeid.startswith(_OF_OTHER_THINGS):
        return False
    wanted = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(wanted & _DATABASE_FIXTURES)
