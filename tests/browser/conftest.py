"""Chromium, a web process and a Redis; the test itself is the other process that changes records."""

import os
from collections.abc import Callable, Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser
from pytest_django import Settings

from tests.browser.visitor import Visitor, chromium, visit
from tests.browser.web import Web
from tests.lab.redis_server import OwnRedis
from tests.server.live.conftest import layer, own_redis  # noqa: F401

Visit = Callable[..., Visitor]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """While it is there, Playwright's event loop runs in this thread: Django must be told that we know."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with chromium() as opened:
        yield opened
        connections.close_all()  # those made while the loop ran are not seen without it
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def web_process(
    django_db_setup: None,
    own_redis: OwnRedis,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Web]:
    made = Web(own_redis.url, tmp_path_factory.mktemp("web") / "web.log")
    yield made
    made.kill()


@pytest.fixture
def web(transactional_db: None, layer: OwnRedis, web_process: Web, settings: Settings) -> Web:  # noqa: F811
    """A web process that runs, whatever an earlier test did to it."""
    settings.SLIPWAY_REDIS_URL = layer.url
    if web_process.process is None:
        web_process.start()
    return web_process


@pytest.fixture
def visitor_of(browser: Browser, web: Web) -> Iterator[Visit]:
    """Opens windows; at the end nothing may have been complained about that the test did not expect."""
    windows: list[Visitor] = []
    said = web.log.stat().st_size

    def open_window(**window: object) -> Visitor:
        windows.append(visit(browser, web.url, **window))
        return windows[-1]

    yield open_window
    for one in windows:
        one.context.close()
    assert [complaint for one in windows for complaint in one.complaints] == []
    told = web.log.read_bytes()[said:].decode()
    assert "Traceback" not in told, told[-4000:]


@pytest.fixture
def visitor(visitor_of: Visit) -> Visitor:
    return visitor_of()
