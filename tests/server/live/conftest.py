"""A Redis of the tests' own, and browsers that come with a session."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from server.asgi import application
from server.live import publish
from server.live.publish import Publisher
from tests.lab.redis_server import OwnRedis
from tests.server.live.sockets import Communicator


@pytest.fixture(scope="session")
def own_redis() -> Iterator[OwnRedis]:
    directory = Path(tempfile.mkdtemp(prefix="slipway-redis-", dir="/tmp"))
    running = OwnRedis(directory)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(directory)


@pytest.fixture
def layer(own_redis: OwnRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> OwnRedis:
    """The channel layer on our Redis; a publisher that remembers no outage of another test, and has patience."""
    own_redis.start()
    config = {**configured.CHANNEL_LAYERS["default"]["CONFIG"]}
    config["hosts"] = [{**config["hosts"][0], "address": own_redis.url}]
    settings.CHANNEL_LAYERS = {"default": {**configured.CHANNEL_LAYERS["default"], "CONFIG": config}}
    monkeypatch.setattr(publish, "_publisher", Publisher())
    monkeypatch.setattr(publish, "SEND_SECONDS", 60.0)
    return own_redis


Browser = Callable[..., Communicator]


@pytest.fixture
def browser(layer: OwnRedis) -> Browser:
    """Opens a socket with the session of a person, from a page of this server unless told otherwise."""

    def open_socket(path: str, person: User | None, origin: str = "http://localhost:8000") -> Communicator:
        headers = [(b"host", b"localhost:8000"), (b"origin", origin.encode())]
        if person is not None:
            client = Client()
            client.force_login(person)
            cookie = client.cookies[configured.SESSION_COOKIE_NAME].value
            headers.append((b"cookie", f"{configured.SESSION_COOKIE_NAME}={cookie}".encode()))
        return Communicator(application, path, headers=headers)

    return open_socket
