"""The door to Docker's SDK: how the engine is reached, and what its refusals mean to us."""

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
import urllib3
from docker import APIClient, auth
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import decode_json_header, kwargs_from_env, parse_repository_tag

from runners.containers.executor import EngineGone

__all__ = [
    "ENGINE_SECONDS",
    "APIError",
    "Client",
    "ImageNotFound",
    "NotFound",
    "connect",
    "decode_json_header",
    "doing",
    "hurried",
    "local_credential",
    "messages",
    "repository_and_tag",
    "told",
    "tolerated",
    "url_of",
]

Client = APIClient

ENGINE_SECONDS = 60
_WATCH_SECONDS = 0.2

_versions: dict[str | None, str] = {}  # of the API, by the engine's address


def connect(base_url: str | None) -> Client:
    """A client of the engine at `base_url`, else where DOCKER_HOST says."""
    options = kwargs_from_env()
    if base_url is not None:
        options["base_url"] = base_url
    # The engine is asked for its version once in a process: it costs every stage as much as a claim.
    api = APIClient(version=_versions.get(base_url, "auto"), timeout=ENGINE_SECONDS, **options)
    _versions[base_url] = api.api_version
    return api


def url_of(api: Client, path: str) -> str:
    return f"{api.base_url}/v{api.api_version}/{path}"


def repository_and_tag(image: str) -> tuple[str, str]:
    """The two parts of an image's name; the tag may be a digest, and is `latest` when there is none."""
    repository, tag = parse_repository_tag(image)
    return repository, tag or "latest"


def local_credential(api: Client, host: str) -> str | None:
    """What this user's own Docker configuration holds for a registry, as the header X-Registry-Auth wants it."""
    found = auth.get_config_header(api, host)
    return found.decode() if isinstance(found, bytes) else found


def messages(
    api: Client, path: str, options: Mapping[str, Any], *, seconds: float, watch: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """What the engine tells while it does something long, one JSON object each; `options` as requests.post takes them.

    `watch` is called several times a second, however silent the engine is. What it raises ends the request, and with it
    what the engine does. A refusal comes as {"error": …}, as does the end of the `seconds`.
    """
    deadline = time.monotonic() + seconds
    with api.post(url_of(api, path), stream=True, timeout=(ENGINE_SECONDS, seconds), **options) as response:
        if response.status_code >= 400:
            yield {"error": response.json()["message"]}
            return
        for line in _watched(api, response, watch):
            if line:
                yield json.loads(line)
            elif time.monotonic() > deadline:
                yield {"error": f"it took longer than {seconds:g} seconds"}
                return


def _watched(api: Client, response: requests.Response, watch: Callable[[], None]) -> Iterator[bytes]:
    """Lines, and an empty one when none came for a while. A read cannot be broken off and begun again, so another
    thread reads; the connection's end ends it."""
    lines: queue.Queue[bytes | None] = queue.Queue(1000)
    reader = threading.Thread(target=_read_lines, args=(response, lines), daemon=True)
    reader.start()
    try:
        while True:
            watch()
            with contextlib.suppress(queue.Empty):
                if (line := lines.get(timeout=_WATCH_SECONDS)) is None:
                    return
                yield line
                continue
            yield b""
    finally:
        _shut(api, response)
        while reader.is_alive():  # it may wait for room
            with contextlib.suppress(queue.Empty):
                lines.get(timeout=0.05)


def _read_lines(response: requests.Response, lines: queue.Queue[bytes | None]) -> None:
    with contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
        for line in response.iter_lines(chunk_size=None):
            lines.put(line)
    lines.put(None)


def _shut(api: Client, response: requests.Response) -> None:
    with contextlib.suppress(OSError, AttributeError, DockerException):
        found = api._get_raw_response_socket(response)  # type: ignore[attr-defined]
        getattr(found, "_sock", found).shutdown(socket.SHUT_RDWR)


def told(error: APIError) -> str:
    return str(error.explanation or error)


@contextlib.contextmanager
def tolerated(*codes: int) -> Iterator[None]:
    """Pass over the engine's refusals with one of these HTTP codes."""
    try:
        yield
    except APIError as error:
        if error.status_code not in codes:
            raise


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Pass over a request whose own time limit ran out. requests has another name for it once the answer has begun."""
    try:
        yield
    except requests.Timeout:
        pass
    except requests.ConnectionError as error:
        if not any(isinstance(one, urllib3.exceptions.ReadTimeoutError) for one in error.args):
            raise


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Translate whatever the SDK raises."""
    try:
        yield
    except APIError as error:
        raise EngineGone(f"the container engine refused while {what}: {told(error)}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineGone(f"the container engine did not answer while {what}: {error}") from error
