"""The lab's images, made and run on the real engine."""

import pytest
from docker import DockerClient
from docker.errors import APIError

from tests.lab.ground import ground
from tests.lab.images import RECIPES, image


def run(engine: DockerClient, name: str, *command: str) -> str:
    output: bytes = engine.containers.run(image(name, engine), list(command), remove=True)
    return output.decode()


def test_busybox_has_a_shell_and_its_tools(engine: DockerClient) -> None:
    assert run(engine, "busybox", "sh", "-c", "seq 3 | wc -l").strip() == "3"


def test_the_python_image_runs_unit_tests(engine: DockerClient) -> None:
    assert "OK" in run(engine, "python", "sh", "-c", "cd /tmp && python3 -m unittest 2>&1; echo OK")


def test_the_host_image_carries_no_host_key(engine: DockerClient) -> None:
    assert "ssh_host" not in run(engine, "host", "ls", "/etc/ssh")


def test_the_shell_less_image_has_no_shell(engine: DockerClient) -> None:
    with ground() as here:
        tag = image("shell-less", engine)
        idle = engine.containers.create(tag, ["/bin/sh", "-c", "true"], labels=here.labels)
        with pytest.raises(APIError, match="no such file or directory"):
            idle.start()


def test_a_made_image_is_not_made_again(engine: DockerClient) -> None:
    first = [engine.images.get(image(name, engine)).id for name in RECIPES]
    assert [engine.images.get(image(name, engine)).id for name in RECIPES] == first
