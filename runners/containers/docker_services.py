"""Services on Docker's engine."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners.containers import confinement, service_body
from runners.containers.beside import Condition, ServicePlan
from runners.containers.bridge import Bridge
from runners.containers.engine import APIError, Client, ImageNotFound, NotFound, doing, hurried, told, tolerated
from runners.containers.executor import Container, ContainerGone, ImageMissing, Ownership, State
from runners.containers.pulling import pull
from runners.containers.readiness import look_script

_COMMAND_SECONDS = 10
_LOOK_SECONDS = 5  # without a limit of its own, the SDK would wait for ever
_PAUSE_SECONDS = 0.05
_STATES = {"created": State.CREATED, "running": State.RUNNING, "paused": State.RUNNING, "restarting": State.RUNNING}
_ON_ONE_NETWORK = {"com.docker.network.bridge.enable_icc": "true"}


def own_bridge(api: Client, server: str, owner: Ownership, lock: Path) -> Bridge:
    """The network of one attempt, whose containers see each other and nobody else's."""
    labels = confinement.labels_of(server, owner)
    return Bridge(api, confinement.name_of(server, owner), labels, lock, _ON_ONE_NETWORK)


class DockerServices:
    """See ServiceEngine."""

    def __init__(self, api: Client, server: str, lock: Path) -> None:
        self._api, self._server, self._lock = api, server, lock

    def create(self, plan: ServicePlan, watch: Callable[[], None]) -> Container:
        network = own_bridge(self._api, self._server, plan.owner, self._lock)
        name = service_body.name_of(self._server, plan.owner, plan.name)
        with doing(f"creating the service {plan.name}"):
            if (found := self._inspected(name)) is not None:
                return _container(found, plan.owner)
            network.ensure()
            if plan.access.ask:
                pull(self._api, plan.image, plan.access.credential, watch)
            body = service_body.body_of(self._server, plan, network.name)
            try:
                return self._created(body, name, plan)
            except ImageNotFound:
                pull(self._api, plan.image, plan.access.credential, watch)
                return self._created(body, name, plan)

    def condition(self, container: Container) -> Condition:
        with doing("asking after a service"):
            found = self._inspected(container.id)
        if found is None:
            raise ContainerGone(f"the service's container {container.id[:12]} was removed behind our back")
        state, exposed = found["State"], found["Config"].get("ExposedPorts") or {}
        ports = tuple(sorted(int(port[:-4]) for port in exposed if port.endswith("/tcp")))
        health = state.get("Health", {}).get("Status", "")
        health = "" if health == "none" else health
        return Condition(_STATES.get(state["Status"], State.EXITED), int(state["ExitCode"]), health, ports)

    def says_yes(self, container: Container, command: str) -> bool:
        with doing("asking a service whether it is ready"), tolerated(404, 409):  # it has ended
            asked = self._api.exec_create(container.id, ["/bin/sh", "-c", command])["Id"]
            self._api.exec_start(asked, detach=True)
            deadline = time.monotonic() + _COMMAND_SECONDS
            while time.monotonic() < deadline:
                found = self._api.exec_inspect(asked)
                if not found["Running"] and found["ExitCode"] is not None:
                    return bool(found["ExitCode"] == 0)
                time.sleep(_PAUSE_SECONDS)
        return False

    def listens(self, container: Container, port: int, image: str) -> bool:
        owner, script = container.owner, look_script(port)
        with doing("looking at a service's ports"), tolerated(404, 409):  # it has ended
            body = service_body.looking_body(self._server, owner, container.id, image, script)
            looker = self._api.create_container_from_config(body)["Id"]  # type: ignore[no-untyped-call]
            try:
                self._api.start(looker)
                with hurried():
                    return bool(self._api.wait(looker, timeout=_LOOK_SECONDS)["StatusCode"] == 0)
            finally:
                with contextlib.suppress(APIError):
                    self._api.remove_container(looker, force=True, v=True)
        return False

    def clear(self, owner: Ownership) -> None:
        """Remove the services, what builds left, and the network of an attempt."""
        label = {"label": [f"{key}={value}" for key, value in confinement.labels_of(self._server, owner).items()]}
        network = confinement.name_of(self._server, owner)
        with doing("removing services"):
            found = self._api.containers(all=True, filters=label)
            left = [each for each in found if service_body.LABEL in each["Labels"]]
            for each in left + self._half_built(network):
                with tolerated(404, 409):
                    self._api.remove_container(each["Id"], v=True, force=True)
            for each in self._api.networks(filters=label):
                with tolerated(403, 404):  # still in use: found by the sweep later
                    self._api.remove_network(each["Id"])

    def _half_built(self, network: str) -> list[dict[str, Any]]:
        """Containers in which the engine was building an image: it gives them no labels, only the network we named."""
        return [each for each in self._api.containers(all=True) if each["HostConfig"].get("NetworkMode") == network]

    def _created(self, body: dict[str, Any], name: str, plan: ServicePlan) -> Container:
        try:
            made = self._api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        except APIError as error:
            if error.status_code == 400 and "reference" in told(error):
                raise ImageMissing(f"{plan.image!r} is not the name of an image") from error
            if error.status_code == 400:
                raise ImageMissing(f"the service {plan.name} cannot be made of {plan.image}: {told(error)}") from error
            if error.status_code != 409 or (found := self._inspected(name)) is None:
                raise
            return _container(found, plan.owner)
        return Container(made["Id"], plan.owner, State.CREATED)

    def _inspected(self, name: str) -> dict[str, Any] | None:
        with contextlib.suppress(NotFound):
            return dict(self._api.inspect_container(name))
        return None


def _container(found: dict[str, Any], owner: Ownership) -> Container:
    return Container(found["Id"], owner, _STATES.get(found["State"]["Status"], State.EXITED))
