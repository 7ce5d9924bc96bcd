"""Docker behind the executor seam: the only door to its SDK."""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
import urllib3
from django.conf import settings
from docker import APIClient, auth
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import decode_json_header, kwargs_from_env, parse_repository_tag

from runners.containers import confinement
from runners.containers.bridge import Bridge
from runners.containers.executor import (
    Container,
    ContainerGone,
    ContainerPlan,
    EngineGone,
    Entry,
    Exit,
    ImageMissing,
    NoShell,
    State,
)
from runners.containers.streams import CHUNK_BYTES, Framed, Journal, Live

log = logging.getLogger(__name__)

ENGINE_SECONDS = 60
PULL_SECONDS = 900
PULL_SILENCE_SECONDS = 120

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

    def find(self, attempt: int) -> Container | None:
        with _engine("looking for a container"):
            return self._inspected(confinement.name_of(self._server, attempt))

    def create(self, plan: ContainerPlan, watch: Callable[[], None] = _unwatched) -> Container:
        with _engine(f"creating a container of {plan.image}"):
            try:
                return self._created(plan)
            except ImageNotFound:
                self._pull(plan.image, watch)
                return self._created(plan)

    def put(self, container: Container, stream: Iterable[bytes], directory: str = "/") -> None:
        with _engine("filling a container"):
            self._api.put_archive(container.id, directory, stream)

    def output(self, container: Container) -> Live:
        with _engine("attaching to a container"):
            return Live(self._hijacked(container, stream=1))

    def start(self, container: Container) -> None:
        with _engine("starting a container"):
            if self._api.inspect_container(container.id)["State"]["Status"] != State.CREATED:
                return  # the engine would run one that has ended a second time
            try:
                self._api.start(container.id)
            except APIError as error:
                if error.status_code == 400 and "/bin/sh" in _told(error):
                    raise NoShell(_NO_SHELL) from error
                raise

    def journal(self, container: Container, raw_from: int = 0) -> Journal:
        def replay() -> Framed:
            with _engine("reading a container's journal"):
                return self._hijacked(container, logs=1)

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
        with _engine("looking into a container"):
            response = self._api.head(self._archive_url(container), params={"path": path}, timeout=ENGINE_SECONDS)
            if response.status_code == 404:
                return None
            response.raise_for_status()
            stat = decode_json_header(response.headers["X-Docker-Container-Path-Stat"])
        link = stat["linkTarget"] if stat["mode"] & _SYMLINK else None
        return Entry(stat["name"], bool(stat["mode"] & _DIRECTORY), link)

    def get(self, container: Container, path: str) -> Iterator[bytes]:
        with _engine("fetching files from a container"):
            options: dict[str, Any] = {"params": {"path": path}, "stream": True, "timeout": ENGINE_SECONDS}
            with self._api.get(self._archive_url(container), **options) as response:
                if response.status_code == 404:
                    raise ContainerGone(f"{path} was in container {container.id[:12]} and is not there any more")
                response.raise_for_status()
                yield from response.iter_content(CHUNK_BYTES)

    def remove(self, container: Container) -> None:
        volume = confinement.name_of(self._server, container.owner.attempt)
        with _engine("removing a container"):
            with _tolerated(404, 409):  # gone, or being removed by another hand
                self._api.remove_container(container.id, v=True, force=True)
            with _tolerated(404, 409):  # a volume still in use is found by `ours` later
                self._api.remove_volume(volume, force=True)

    def ours(self) -> list[Container]:
        with _engine("listing containers"):
            label = {"label": f"{confinement.SERVER_LABEL}={self._server}"}
            containers = self._api.containers(all=True, filters=label)
            volumes = self._api.volumes(filters=label)["Volumes"] or []
        found = [_container(each["Id"], each["Labels"], each["State"]) for each in containers]
        attempts = {container.owner.attempt for container in found}
        stray = [_container(each["Name"], each["Labels"], State.GONE) for each in volumes]
        return found + [container for container in stray if container.owner.attempt not in attempts]

    def remove_network(self) -> None:
        """Remove the bridge that `create` made, for an installation that goes away; it is made anew when needed."""
        with _engine("removing the network"):
            for network in self._bridge.ids():
                with _tolerated(403, 404):  # still in use, or gone
                    self._api.remove_network(network)

    def close(self) -> None:
        """See Executor.close."""
        if "_api" in self.__dict__:
            self._api.close()

    @cached_property
    def _api(self) -> APIClient:
        options = kwargs_from_env()
        if self._base_url is not None:
            options["base_url"] = self._base_url
        return APIClient(version="auto", timeout=ENGINE_SECONDS, **options)

    @cached_property
    def _bridge(self) -> Bridge:
        return Bridge(self._api, self._server, {confinement.SERVER_LABEL: self._server}, self._lock)

    def _created(self, plan: ContainerPlan) -> Container:
        name = confinement.name_of(self._server, plan.owner.attempt)
        self._bridge.ensure()
        body = confinement.container_body(self._server, plan, self._bridge.name)
        try:
            made = self._api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        except APIError as error:
            if error.status_code == 409:
                return self._created_by_another(name)
            if error.status_code == 400 and "reference" in _told(error):
                raise ImageMissing(f"{plan.image!r} is not the name of an image") from error
            raise
        return Container(made["Id"], plan.owner, State.CREATED)

    def _created_by_another(self, name: str) -> Container:
        """The engine reserves a name some time before it shows what bears it."""
        for _ in range(50):
            if (found := self._inspected(name)) is not None:
                return found
            time.sleep(0.1)
        raise EngineGone(f"the container engine says that {name} exists, and shows none of that name")

    def _inspected(self, name: str) -> Container | None:
        with contextlib.suppress(NotFound):
            found = self._api.inspect_container(name)
            return _container(found["Id"], found["Config"]["Labels"], found["State"]["Status"])
        return None

    def _state(self, container: Container) -> dict[str, Any]:
        with _engine("asking after a container"):
            try:
                state: dict[str, Any] = self._api.inspect_container(container.id)["State"]
            except NotFound as error:
                raise ContainerGone(f"container {container.id[:12]} was removed behind our back") from error
        return state

    def _signal(self, container: Container, signal: str) -> None:
        with _engine("stopping a container"), _tolerated(404, 409):
            self._api.kill(container.id, signal)

    def _hijacked(self, container: Container, **source: int) -> Framed:
        """The SDK's own readers handle one frame at a time, six times slower than the engine writes."""
        found = self._api.attach_socket(container.id, params={"stdout": 1, "stderr": 1, **source})
        return Framed(getattr(found, "_sock", found), found._response)

    def _archive_url(self, container: Container) -> str:
        return f"{self._api.base_url}/v{self._api.api_version}/containers/{container.id}/archive"

    def _pull(self, image: str, watch: Callable[[], None]) -> None:
        log.info("pulling %s", image)
        deadline = time.monotonic() + PULL_SECONDS
        for line in self._pull_progress(image):
            watch()
            if (failure := json.loads(line).get("error")) is not None:
                raise ImageMissing(f"the image {image} is not on this machine and cannot be pulled: {failure}")
            if time.monotonic() > deadline:
                raise ImageMissing(f"the image {image} could not be pulled within {PULL_SECONDS} seconds")

    def _pull_progress(self, image: str) -> Iterator[bytes]:
        repository, tag = parse_repository_tag(image)
        credentials = auth.get_config_header(self._api, auth.resolve_repository_name(repository)[0])
        options: dict[str, Any] = {
            "params": {"fromImage": repository, "tag": tag or "latest"},
            "headers": {"X-Registry-Auth": credentials} if credentials else {},
            "stream": True,
            "timeout": PULL_SILENCE_SECONDS,
        }
        url = f"{self._api.base_url}/v{self._api.api_version}/images/create"
        with self._api.post(url, **options) as response:
            if response.status_code >= 400:
                yield json.dumps({"error": response.json()["message"]}).encode()
                return
            yield from (line for line in response.iter_lines() if line)


_NO_SHELL = "the image has no /bin/sh, so no step can run in it: choose an image that has one"


def _container(container_id: str, labels: dict[str, str], status: str) -> Container:
    state = State.GONE if status == State.GONE else _STATES.get(status, State.EXITED)
    return Container(container_id, confinement.owner_of(labels), state)


def _told(error: APIError) -> str:
    return str(error.explanation or error)


@contextlib.contextmanager
def _tolerated(*codes: int) -> Iterator[None]:
    """Pass over the engine's refusals with one of these HTTP codes."""
    try:
        yield
    except APIError as error:
        if error.status_code not in codes:
            raise


@contextlib.contextmanager
def _engine(doing: str) -> Iterator[None]:
    """Translate whatever the SDK raises."""
    try:
        yield
    except APIError as error:
        raise EngineGone(f"the container engine refused while {doing}: {_told(error)}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineGone(f"the container engine did not answer while {doing}: {error}") from error
