"""Docker behind the executor seam."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from django.conf import settings

from runners.containers import confinement
from runners.containers.bridge import Bridge
from runners.containers.docker_builds import DockerBuilds
from runners.containers.docker_services import DockerServices, own_bridge
from runners.containers.engine import (
    ENGINE_SECONDS,
    APIError,
    Client,
    ImageNotFound,
    NotFound,
    connect,
    decode_json_header,
    doing,
    told,
    tolerated,
    url_of,
)
from runners.containers.executor import (
    Container,
    ContainerGone,
    ContainerPlan,
    ContainerTaken,
    Entry,
    Exit,
    ImageMissing,
    NoShell,
    Ownership,
    State,
)
from runners.containers.pulling import pull
from runners.containers.script import GO
from runners.containers.streams import CHUNK_BYTES, Framed, Journal, Live

_CANNOT_EXECUTE, _NOT_FOUND = 126, 127  # how docker-init ends when the main process cannot be started
_DIRECTORY, _SYMLINK = 1 << 31, 1 << 27  # Go's os.FileMode
_STATES = {"created": State.CREATED, "running": State.RUNNING, "paused": State.RUNNING, "restarting": State.RUNNING}


def _unwatched() -> None:
    return None


def open_executor() -> "DockerExecutor":
    """This server's containers on its engine; to be closed."""
    return DockerExecutor(settings.SLIPWAY_SERVER_ID, settings.SLIPWAY_DOCKER_HOST, settings.STATE_DIR / "network.lock")


class DockerExecutor:
    """Containers on the engine at `base_url`, else where DOCKER_HOST says; never on the CLI's current context.

    `server` tells this installation's containers from others'. Who makes its network holds `lock`, a file that all its
    processes on the engine's machine share. May be used from several threads and made before a fork: it connects on
    first use.
    """

    def __init__(self, server: str, base_url: str | None, lock: Path) -> None:
        self._server = server
        self._base_url = base_url
        self._lock = lock

    def find(self, owner: Ownership) -> Container | None:
        with doing("looking for a container"):
            return self._inspected(confinement.name_of(self._server, owner))

    def create(self, plan: ContainerPlan, watch: Callable[[], None] = _unwatched) -> Container:
        with doing(f"creating a container of {plan.image}"):
            if plan.access.ask:
                pull(self._api, plan.image, plan.access.credential, watch)
            try:
                return self._created(plan)
            except ImageNotFound:
                pull(self._api, plan.image, plan.access.credential, watch)
                return self._created(plan)

    def put(self, container: Container, stream: Iterable[bytes], directory: str = "/") -> None:
        with doing("filling a container"):
            self._api.put_archive(container.id, directory, stream)

    def output(self, container: Container) -> Live:
        with doing("attaching to a container"):
            return Live(self._hijacked(container, stream=1, stdin=1, stdout=1, stderr=1))

    def start(self, container: Container) -> None:
        with doing("starting a container"):
            if self._api.inspect_container(container.id)["State"]["Status"] != State.CREATED:
                return  # the engine would run one that has ended a second time
            try:
                self._api.start(container.id)
            except APIError as error:
                if error.status_code == 400 and "/bin/sh" in told(error):
                    raise NoShell(_NO_SHELL) from error
                raise

    def go(self, container: Container) -> None:
        with doing("letting a container go"):
            self._hijacked(container, stream=1, stdin=1).say(GO)

    def journal(self, container: Container, raw_from: int = 0) -> Journal:
        def replay() -> Framed:
            with doing("reading a container's journal"):
                return self._hijacked(container, logs=1, stdout=1, stderr=1)

        return Journal(replay, lambda: self._state(container)["Status"] not in _STATES, raw_from)

    def wait(self, container: Container, timeout_seconds: float) -> Exit | None:
        # A time-out and an engine that went away look the same here: the question after it tells them apart.
        with contextlib.suppress(requests.RequestException, APIError):
            self._api.wait(container.id, timeout=max(timeout_seconds, 0.001))  # type: ignore[arg-type]
        state = self._state(container)
        if state["Status"] in _STATES:
            return None
        end = Exit(int(state["ExitCode"]), bool(state["OOMKilled"]), str(state["Error"]))
        if end.code in (_CANNOT_EXECUTE, _NOT_FOUND) and self.entry(container, "/bin/sh") is None:
            raise NoShell(_NO_SHELL)
        return end

    def terminate(self, container: Container) -> None:
        self._signal(container, "SIGTERM")

    def kill(self, container: Container) -> None:
        self._signal(container, "SIGKILL")

    def entry(self, container: Container, path: str) -> Entry | None:
        with doing("looking into a container"):
            response = self._api.head(self._archive_url(container), params={"path": path}, timeout=ENGINE_SECONDS)
            if response.status_code == 404:
                return None
            response.raise_for_status()
            stat = decode_json_header(response.headers["X-Docker-Container-Path-Stat"])
        link = stat["linkTarget"] if stat["mode"] & _SYMLINK else None
        return Entry(stat["name"], bool(stat["mode"] & _DIRECTORY), link)

    def get(self, container: Container, path: str) -> Iterator[bytes]:
        with doing("fetching files from a container"):
            options: dict[str, Any] = {"params": {"path": path}, "stream": True, "timeout": ENGINE_SECONDS}
            with self._api.get(self._archive_url(container), **options) as response:
                if response.status_code == 404:
                    raise ContainerGone(f"{path} was in container {container.id[:12]} and is not there any more")
                response.raise_for_status()
                yield from response.iter_content(CHUNK_BYTES)

    def remove(self, container: Container) -> None:
        self._remove(container, force=True)

    def discard(self, container: Container) -> None:
        self._remove(container, force=False)

    def _remove(self, container: Container, *, force: bool) -> None:
        volume = confinement.name_of(self._server, container.owner)
        with doing("removing a container"):
            with tolerated(404, 409):  # gone, or being removed by another hand
                self._api.remove_container(container.id, v=True, force=force)
            with tolerated(404, 409):  # a volume still in use is found by `ours` later
                self._api.remove_volume(volume, force=True)

    def ours(self) -> list[Container]:
        with doing("listing containers"):
            label = {"label": f"{confinement.SERVER_LABEL}={self._server}"}
            containers = self._api.containers(all=True, filters=label)
            volumes = self._api.volumes(filters=label)["Volumes"] or []
            networks = self._api.networks(filters=label)
        named = [each for each in containers if self._is_named_by_us(each)]
        found = [_container(each["Id"], each["Labels"], each["State"], float(each["Created"])) for each in named]
        owners = {container.owner for container in found}
        own = [each for each in networks if confinement.is_owned(each["Labels"])]
        stray = [_container(each["Name"], each["Labels"], State.GONE) for each in [*volumes, *own]]
        return found + [container for container in stray if container.owner not in owners]

    def _is_named_by_us(self, listed: dict[str, Any]) -> bool:
        """Who starts a container from an image that we built gives it our labels: it is theirs all the same."""
        return any(name.startswith(f"/slipway-{self._server}-") for name in listed["Names"] or ())

    def clear(self, owner: Ownership) -> None:
        if (container := self.find(owner)) is not None:
            self.remove(container)
        self.services.clear(owner)
        with doing("removing a workspace"), tolerated(404, 409):
            self._api.remove_volume(confinement.name_of(self._server, owner), force=True)

    @cached_property
    def services(self) -> DockerServices:
        return DockerServices(self._api, self._server, self._lock)

    @cached_property
    def builds(self) -> DockerBuilds:
        return DockerBuilds(self._api, self._server, self._lock)

    def remove_network(self) -> None:
        """Remove the bridge that `create` made, for an installation that goes away; it is made anew when needed."""
        with doing("removing the network"):
            for network in self._bridge.ids():
                with tolerated(403, 404):  # still in use, or gone
                    self._api.remove_network(network)

    def close(self) -> None:
        """See Executor.close."""
        if "_api" in self.__dict__:
            self._api.close()

    @cached_property
    def _api(self) -> Client:
        return connect(self._base_url)

    @cached_property
    def _bridge(self) -> Bridge:
        label = {confinement.SERVER_LABEL: self._server}
        return Bridge(self._api, f"slipway-{self._server}", label, self._lock)

    def _network(self, plan: ContainerPlan) -> Bridge:
        return own_bridge(self._api, self._server, plan.owner, self._lock) if plan.has_company else self._bridge

    def _created(self, plan: ContainerPlan) -> Container:
        name = confinement.name_of(self._server, plan.owner)
        network = self._network(plan)
        network.ensure()
        body = confinement.container_body(self._server, plan, network.name)
        try:
            made = self._api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        except APIError as error:
            if error.status_code == 409:
                raise ContainerTaken(f"there is a container {name} already") from error
            if error.status_code == 400 and "reference" in told(error):
                raise ImageMissing(f"{plan.image!r} is not the name of an image") from error
            raise
        return Container(made["Id"], plan.owner, State.CREATED, plan.seal)

    def _inspected(self, name: str) -> Container | None:
        with contextlib.suppress(NotFound):
            found = self._api.inspect_container(name)
            return _container(found["Id"], found["Config"]["Labels"], found["State"]["Status"])
        return None

    def _state(self, container: Container) -> dict[str, Any]:
        with doing("asking after a container"):
            try:
                state: dict[str, Any] = self._api.inspect_container(container.id)["State"]
            except NotFound as error:
                raise ContainerGone(f"container {container.id[:12]} was removed behind our back") from error
        return state

    def _signal(self, container: Container, signal: str) -> None:
        with doing("stopping a container"), tolerated(404, 409):
            self._api.kill(container.id, signal)

    def _hijacked(self, container: Container, **source: int) -> Framed:
        """The SDK's own readers handle one frame at a time, six times slower than the engine writes."""
        found = self._api.attach_socket(container.id, params=source)
        return Framed(getattr(found, "_sock", found), found._response)

    def _archive_url(self, container: Container) -> str:
        return url_of(self._api, f"containers/{container.id}/archive")


_NO_SHELL = "the image has no /bin/sh, so no step can run in it: choose an image that has one"


def _container(container_id: str, labels: dict[str, str], status: str, made_at: float = 0) -> Container:
    state = State.GONE if status == State.GONE else _STATES.get(status, State.EXITED)
    seal = labels.get(confinement.SEAL_LABEL, "")
    return Container(container_id, confinement.owner_of(labels), state, seal, made_at)
