"""Images that Docker's engine builds for us, with its own builder: no stage ever sees the engine.

A build runs in containers of the engine's own making. They are on a network of the attempt's own and have a stage's
memory and CPU, but the engine's usual capabilities, for its interface lets nobody take those away.
"""

import base64
import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.utils.crypto import salted_hmac

from runners.containers import confinement
from runners.containers.beside import BuildFailed, BuildPlan, Built, PushFailed
from runners.containers.docker_services import own_bridge
from runners.containers.engine import Client, NotFound, doing, messages, repository_and_tag, tolerated
from runners.containers.executor import Credential
from runners.containers.pulling import BUILT, HUB, auth_header

BUILD_SECONDS = 24 * 3600.0  # the stage's own timeout ends it long before
_HUB_ADDRESS = "https://index.docker.io/v1/"
_LOCKS = 16
_PAUSE_SECONDS = 0.2
_CPU_PERIOD = 100_000

Say = Callable[[str], None]


class DockerBuilds:
    """See BuildEngine."""

    def __init__(self, api: Client, server: str, lock: Path) -> None:
        self._api, self._server, self._lock = api, server, lock

    def build(self, plan: BuildPlan, context: IO[bytes], watch: Callable[[], None], say: Say) -> Built:
        network = own_bridge(self._api, self._server, plan.owner, self._lock)
        name = self._name_of(plan)
        with doing("building an image"):
            network.ensure()
            before = self._id_of(name)
            headers = {"Content-Type": "application/tar", "X-Registry-Config": _registries(plan.credentials)}
            options = {"params": self._parameters(plan, name, network.name), "headers": headers, "data": context}
            image = ""
            for told in messages(self._api, "build", options, seconds=BUILD_SECONDS, watch=watch):
                if (failure := told.get("error")) is not None:
                    raise BuildFailed(f"the image could not be built: {failure}")
                image = told.get("aux", {}).get("ID", image)
                if name not in (line := _line(told)):
                    say(line)
            if before is not None and before != image:
                with tolerated(404, 409):  # another has a name for it, or it is a part of the new one
                    self._api.remove_image(before, noprune=True)
            return Built(image, int(self._image(image)["Size"]))

    def push(self, built: Built, tag: str, credential: Credential, watch: Callable[[], None], say: Say) -> str:
        repository, version = repository_and_tag(tag)
        with doing(f"pushing {tag}"), self._named(built, tag, watch):
            options = {"params": {"tag": version}, "headers": auth_header(self._api, tag, credential)}
            digest = ""
            for told in messages(self._api, f"images/{repository}/push", options, seconds=BUILD_SECONDS, watch=watch):
                if (failure := told.get("error")) is not None:
                    who = f" as {credential.username}" if credential.username else ""
                    raise PushFailed(f"{tag} could not be pushed{who}: {failure}")
                digest = told.get("aux", {}).get("Digest", digest)
                say(_line(told))
        return digest

    @contextmanager
    def _named(self, built: Built, tag: str, watch: Callable[[], None]) -> Iterator[None]:
        """The image has the name only while it is pushed: a stage that asks for the name gets what its registry has.

        What had it before has it again if the push fails.
        """
        repository, version = repository_and_tag(tag)
        with self._alone(tag, watch):
            before = self._id_of(tag)
            self._api.tag(built.image, repository, version)
            try:
                yield
            except BaseException:
                with tolerated(404, 409):
                    if before is not None:
                        self._api.tag(before, repository, version)
                    else:
                        self._api.remove_image(tag, noprune=True)
                raise
            with tolerated(404, 409):
                self._api.remove_image(tag, noprune=True)

    @contextmanager
    def _alone(self, tag: str, watch: Callable[[], None]) -> Iterator[None]:
        """Of those who push the same name from this machine, one at a time."""
        number = hashlib.sha256(tag.encode()).digest()[0] % _LOCKS
        with self._lock.with_name(f"push-{number}.lock").open("w") as lock:
            while True:
                watch()
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(_PAUSE_SECONDS)
            yield

    def _parameters(self, plan: BuildPlan, name: str, network: str) -> dict[str, Any]:
        return {
            "t": name,
            "dockerfile": plan.file,
            "buildargs": json.dumps(dict(plan.args)),
            "target": plan.target,
            "labels": json.dumps({**confinement.labels_of(self._server, plan.owner), **plan.labels}),
            "networkmode": network,
            "memory": plan.limits.memory_bytes,
            "memswap": plan.limits.memory_bytes,
            "cpuperiod": _CPU_PERIOD,
            "cpuquota": int(plan.limits.cpus * _CPU_PERIOD),
            "rm": "1",
            "forcerm": "1",
            "pull": "1" if plan.ask else "0",
        }

    def _name_of(self, plan: BuildPlan) -> str:
        """Of our own, never a person's: what is built must not stand in for an image that others use. Nobody can guess
        it, and no log tells it: the engine gives an image to all who name it."""
        mark = salted_hmac("runners.images", plan.name, algorithm="sha256").hexdigest()[:32]
        server = "".join(letter if letter.isalnum() else "-" for letter in self._server.lower()).strip("-")
        return f"{BUILT}/{server}:{mark}"

    def _id_of(self, name: str) -> str | None:
        try:
            return str(self._image(name)["Id"])
        except NotFound:
            return None

    def _image(self, name: str) -> dict[str, Any]:
        return dict(self._api.inspect_image(name))  # type: ignore[no-untyped-call]


def _registries(credentials: Sequence[Credential]) -> str:
    known = {
        _HUB_ADDRESS if one.host == HUB else one.host: {"username": one.username, "password": one.password}
        for one in credentials
        if one.username
    }
    return base64.urlsafe_b64encode(json.dumps(known).encode()).decode()


def _line(told: dict[str, Any]) -> str:
    """A message as a person reads it; the many that only show progress are left out."""
    if "stream" in told:
        return str(told["stream"])
    if "status" not in told or told.get("progressDetail"):
        return ""
    part = f"{told['id']}: " if "id" in told else ""
    return f"{part}{told['status']}\n"
