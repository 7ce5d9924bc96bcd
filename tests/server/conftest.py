"""What all tests of the speaking side share."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections
from pytest_django import Settings

from tests.lab.mailbox import Mailbox, mailbox


@pytest.fixture(autouse=True)
def _no_connection_left_behind() -> Iterator[None]:
    """Asynchronous code asks the database in one thread of asgiref's, which would keep its connection for good."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def box(settings: Settings) -> Iterator[Mailbox]:
    """A mail server, and a Slipway that sends by it."""
    with mailbox() as running:
        server = urlsplit(running.url)
        settings.SLIPWAY_MAIL_URL = running.url
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.hostname, server.port
        settings.SLIPWAY_URL = "https://slipway.example"
        yield running
