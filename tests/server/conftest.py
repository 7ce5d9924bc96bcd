"""What all tests of the speaking side share."""

from collections.abc import Iterator

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections


@pytest.fixture(autouse=True)
def _no_connection_left_behind() -> Iterator[None]:
    """Asynchronous code asks the database in one thread of asgiref's, which would keep its connection for good."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
