"""A real Redis of the test's own, on a private socket."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from runners.queue import connections
from tests.lab.redis_server import OwnRedis


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[OwnRedis]:
    """A running Redis, which the settings name for the length of the test."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-redis-"))
    server = OwnRedis(directory)
    server.start()
    settings.SLIPWAY_REDIS_URL = server.url
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture
def patient_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring is not lost because the machine is busy: in life the reconciler rings again."""
    monkeypatch.setattr(connections, "RING_TIMEOUT_SECONDS", 30)


@pytest.fixture
def connection(own_redis: OwnRedis) -> Iterator[redis.Redis]:
    client = own_redis.client()
    yield client
    client.close()
