"""A server of each test's own on the engine, and a repository."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from pytest_django.fixtures import Settings

from runners.containers.clearing import clearing
from runners.containers.docker import DockerExecutor, open_executor
from tests.runners.containers.story import Story, commit, git


@pytest.fixture
def own_server(settings: Settings, tmp_path: Path) -> Iterator[DockerExecutor]:
    """The engine with nothing of this test's on it."""
    settings.SLIPWAY_SERVER_ID = f"test-{os.getpid()}-{secrets.token_hex(3)}"
    settings.SLIPWAY_MIRRORS_DIR = tmp_path / "mirrors"
    settings.MEDIA_ROOT = tmp_path / "storage"
    executor = open_executor()
    yield executor
    clearing.finish(30)
    for owner in {container.owner for container in executor.ours()}:
        executor.clear(owner)
    executor.remove_network()
    executor.close()


@pytest.fixture
def no_image_left(own_server: DockerExecutor, engine: DockerClient) -> Iterator[None]:
    yield
    for image in engine.images.list(filters={"label": f"slipway.server={own_server._server}"}, all=False):
        engine.images.remove(str(image.id), force=True)


@pytest.fixture
def story(own_server: DockerExecutor, tmp_path: Path, busybox_image: str) -> Story:
    path = tmp_path / "shop"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
    commit(path, {"greeting": "hello from the commit\n"})
    return Story(path, busybox_image)
