"""Services beside a stage, on a real engine: reached by name, confined, asked if they are ready, cleared away."""

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient

from runners.containers.beside import ServicePlan
from runners.containers.docker import DockerExecutor
from runners.containers.executor import Container, ContainerPlan, ImageMissing, Limits, Ownership, State
from runners.containers.script import archive, files_of
from tests.lab.patience import until

_stages = itertools.count(1)

SERVER = """
import socket, sys, time
time.sleep(float(sys.argv[1]))
listener = socket.create_server((sys.argv[2], int(sys.argv[3])))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello from the service\\n")
    connection.close()
"""


def serving(wait_seconds: float = 0, host: str = "0.0.0.0", port: int = 5432) -> tuple[str, ...]:
    return ("python3", "-c", SERVER, str(wait_seconds), host, str(port))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerExecutor]:
    lock = tmp_path_factory.mktemp("engine") / "network.lock"
    executor = DockerExecutor(f"test-{os.getpid()}-{secrets.token_hex(3)}", None, lock)
    yield executor
    executor.remove_network()
    executor.close()


@pytest.fixture
def executor(shared: DockerExecutor) -> Iterator[DockerExecutor]:
    yield shared
    for owner in {container.owner for container in shared.ours()}:
        shared.clear(owner)


def owner() -> Ownership:
    return Ownership(run=1, stage=next(_stages), attempt=1)


def unwatched() -> None:
    return None


Served = Callable[..., Container]


@pytest.fixture
def served(executor: DockerExecutor, python_image: str) -> Served:
    """A started service; `options` as those of ServicePlan."""

    def serve(whose: Ownership, name: str, *command: str, **options: object) -> Container:
        plan = ServicePlan(whose, name, python_image, command=command, **options)  # type: ignore[arg-type]
        container = executor.services.create(plan, unwatched)
        executor.start(container)
        return container

    return serve


def test_a_stage_reaches_its_service_by_name_and_nobody_elses(
    executor: DockerExecutor, served: Served, python_image: str
) -> None:
    mine, other = owner(), owner()
    served(mine, "db", *serving())
    served(other, "cache", *serving())
    ask = "import socket; print(socket.create_connection(('{}', 5432), 3).recv(99).decode(), end='')"
    steps = [f'python3 -c "{ask.format("db")}"', f'python3 -c "{ask.format("cache")}" 2>&1 | tail -1']
    container = executor.create(ContainerPlan(mine, python_image, has_company=True))
    for each in (container,):
        output = executor.output(each)
        executor.start(each)
        executor.put(each, archive(files_of(steps)))
        executor.go(each)
    raw = b""
    while (data := output.read(0.1)) is not None:
        raw += data
    output.close()

    assert b"hello from the service\n" in raw
    assert b"Name or service not known" in raw or b"Temporary failure in name resolution" in raw


def test_a_port_is_seen_from_outside_when_it_is_open(
    executor: DockerExecutor, served: Served, busybox_image: str
) -> None:
    late = served(owner(), "db", *serving(1.0))

    began = time.monotonic()
    while not executor.services.listens(late, 5432, busybox_image):
        assert time.monotonic() - began < 120
    assert not executor.services.listens(late, 5433, busybox_image)


def test_what_listens_only_on_its_own_loopback_is_not_open(
    executor: DockerExecutor, served: Served, busybox_image: str
) -> None:
    assert not executor.services.listens(served(owner(), "db", *serving(host="127.0.0.1")), 5432, busybox_image)


def test_a_command_in_the_service_says_whether_it_is_ready(executor: DockerExecutor, served: Served) -> None:
    service = served(owner(), "db", "/bin/sh", "-c", "sleep 300")

    assert not executor.services.says_yes(service, "test -e /tmp/ready")
    assert executor.services.says_yes(service, "touch /tmp/ready")
    assert executor.services.says_yes(service, "test -e /tmp/ready")


def test_a_service_that_has_ended_is_asked_without_harm(
    executor: DockerExecutor, served: Served, busybox_image: str
) -> None:
    service = served(owner(), "db", "/bin/sh", "-c", "exit 3")
    executor.wait(service, 120)
    condition = executor.services.condition(service)

    assert (condition.state, condition.exit_code) == (State.EXITED, 3)
    assert not executor.services.says_yes(service, "true")
    assert not executor.services.listens(service, 5432, busybox_image)


def test_the_images_own_health_check_is_heard(
    executor: DockerExecutor, python_image: str, engine: DockerClient
) -> None:
    text = f"FROM {python_image}\nEXPOSE 99/tcp 53/udp\nHEALTHCHECK --interval=30s CMD test -e /tmp/ready\n"
    made = built(engine, text)
    try:
        command = ("/bin/sh", "-c", "sleep 300")
        service = executor.services.create(ServicePlan(owner(), "db", made, command=command, checks=True), unwatched)
        executor.start(service)
        assert executor.services.condition(service).health == "starting"
        assert executor.services.says_yes(service, "touch /tmp/ready")
        until("its health", lambda: executor.services.condition(service).health == "healthy")
        assert executor.services.condition(service).ports == (99,)
    finally:
        for each in executor.ours():
            executor.clear(each.owner)
        engine.images.remove(made)


def built(engine: DockerClient, dockerfile: str) -> str:
    import io

    tag = f"slipway-lab/test-{secrets.token_hex(4)}:1"
    engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True)
    return tag


def test_a_service_is_confined_and_its_limits_hold(executor: DockerExecutor, served: Served) -> None:
    service = served(
        owner(), "db", "/bin/sh", "-c", "tail /dev/zero", limits=Limits(memory_bytes=32 * 1024**2, cpus=1, pids=32)
    )
    end = executor.wait(service, 120)

    assert end is not None
    assert end.oom_killed


def test_an_image_that_does_not_exist_is_the_persons_to_mend(executor: DockerExecutor) -> None:
    for name in ("slipway.invalid/no-such-image:1", "Not A Name"):
        with pytest.raises(ImageMissing):
            executor.services.create(ServicePlan(owner(), "db", name), unwatched)


def test_a_service_is_created_once(executor: DockerExecutor, served: Served) -> None:
    whose = owner()
    first = served(whose, "db", "/bin/sh", "-c", "sleep 300")
    again = served(whose, "db", "/bin/sh", "-c", "sleep 300")

    assert again.id == first.id


def test_all_that_an_attempt_had_is_cleared_away_and_nothing_of_others(
    executor: DockerExecutor, served: Served, engine: DockerClient, python_image: str
) -> None:
    whose, other = owner(), owner()
    served(whose, "db", *serving())
    served(whose, "cache", *serving())
    executor.create(ContainerPlan(whose, python_image, has_company=True))
    kept = served(other, "db", *serving())
    stranger = engine.containers.run(python_image, ["sleep", "300"], detach=True, labels={"slipway.service": "db"})
    try:
        executor.clear(whose)
        executor.clear(whose)

        assert {each.id for each in executor.ours()} == {kept.id}
        networks = [network.name for network in engine.networks.list(names=[f"slipway-{executor._server}"])]
        assert len([name for name in networks if name and name.endswith(f"-{whose.stage}-1")]) == 0
        assert len([name for name in networks if name and name.endswith(f"-{other.stage}-1")]) == 1
        stranger.reload()
        assert stranger.status == "running"
    finally:
        stranger.remove(force=True)


def test_a_network_that_was_left_alone_is_found(executor: DockerExecutor, served: Served, engine: DockerClient) -> None:
    whose = owner()
    service = served(whose, "db", "/bin/sh", "-c", "sleep 300")
    engine.containers.get(service.id).remove(force=True)

    assert [(each.owner, each.state) for each in executor.ours()] == [(whose, State.GONE)]
    executor.clear(whose)
    assert executor.ours() == []


def test_what_a_broken_build_left_is_cleared_away_and_a_visitor_of_the_network_is_not(
    executor: DockerExecutor, served: Served, engine: DockerClient, busybox_image: str
) -> None:
    whose = owner()
    served(whose, "db", "/bin/sh", "-c", "sleep 300")
    network = next(n for n in engine.networks.list(names=[f"slipway-{executor._server}-{whose.stage}-1"]))
    left = engine.containers.create(busybox_image, ["true"], network=network.name)  # as the engine's builder makes it
    visitor = engine.containers.run(busybox_image, ["sleep", "300"], detach=True)
    network.connect(visitor)
    try:
        executor.clear(whose)
        assert left.id not in {each["Id"] for each in engine.api.containers(all=True)}
        visitor.reload()
        assert visitor.status == "running"
        assert [each.state for each in executor.ours()] == [State.GONE]  # the network, while somebody is on it
    finally:
        visitor.remove(force=True)
    executor.clear(whose)
    assert executor.ours() == []
