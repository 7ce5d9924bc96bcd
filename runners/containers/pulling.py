"""Images from registries onto the engine."""

import base64
import json
import logging
from collections.abc import Callable

from runners.containers.engine import Client, local_credential, messages, repository_and_tag
from runners.containers.executor import Credential, ImageMissing

logger = logging.getLogger(__name__)

PULL_SECONDS = 900
HUB = "docker.io"
BUILT = "slipway-built"  # the repository of what is built here and has no name of a person's
_HUB_TOO = "index.docker.io"  # the engine takes it for the same


def pull(api: Client, image: str, credential: Credential | None, watch: Callable[[], None]) -> None:
    """Bring the image here, or raise ImageMissing. `watch` is called all the time; what it raises ends the pull."""
    logger.info("pulling %s", image)
    repository, tag = repository_and_tag(image)
    options = {"params": {"fromImage": repository, "tag": tag}, "headers": auth_header(api, image, credential)}
    for told in messages(api, "images/create", options, seconds=PULL_SECONDS, watch=watch):
        if (failure := told.get("error")) is not None:
            raise ImageMissing(f"the image {image} cannot be pulled: {failure}{_advice(image, failure, credential)}")


def host_of(image: str) -> str:
    """The registry that an image's name leads to; the first part of a name is one if it looks like a host."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first != _HUB_TOO else HUB


def is_built_here(image: str) -> bool:
    """Whether it is a name of what builds on this machine have made, in one of the ways to write it."""
    return host_of(image) == HUB and BUILT in image.split("/")


def auth_header(api: Client, image: str, credential: Credential | None) -> dict[str, str]:
    """Ours for the image's registry, else what this user's Docker configuration holds."""
    known = encoded(credential) if credential is not None else local_credential(api, host_of(image))
    return {"X-Registry-Auth": known} if known else {}


def encoded(credential: Credential) -> str:
    told = {"username": credential.username, "password": credential.password, "serveraddress": credential.host}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def _advice(image: str, failure: str, credential: Credential | None) -> str:
    words = failure.lower()
    if not any(word in words for word in ("denied", "unauthorized", "authentication", "no basic auth")):
        return ""
    if credential is not None and credential.username:
        return f". The registry {credential.host} refused the user {credential.username}: see its entry in the admin"
    return f". If it is private, an operator can add the registry {host_of(image)} with a user and password"
