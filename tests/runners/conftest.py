"""A container of the real engine in which a step has run: what comes out of one is tested on it."""

import itertools
import os
import secrets
from collections.abc import Iterator

import pytest

from runners.containers.docker import DockerExecutor
from runners.containers.executor import Container, ContainerPlan, Ownership
from runners.containers.script import archive, files_of
from tests.runners.ended import After

_attempts = itertools.count(1)


@pytest.fixture(scope="module")
def shared_executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerExecutor]:
    lock = tmp_path_factory.mktemp("engine") / "network.lock"
    executor = DockerExecutor(f"test-{os.getpid()}-{secrets.token_hex(3)}", None, lock)
    yield executor
    executor.remove_network()
    executor.close()


@pytest.fixture
def executor(shared_executor: DockerExecutor) -> Iterator[DockerExecutor]:
    yield shared_executor
    for container in shared_executor.ours():
        shared_executor.remove(container)


@pytest.fixture
def after(executor: DockerExecutor, busybox_image: str) -> After:
    """A container in which a step has run and ended, whatever its code."""

    def run(step: str) -> Container:
        container = executor.create(ContainerPlan(Ownership(1, 1, next(_attempts)), busybox_image))
        executor.put(container, archive(files_of([step])))
        executor.start(container)
        executor.go(container)
        assert executor.wait(container, 60) is not None
        return container

    return run
