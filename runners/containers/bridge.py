"""Networks: the one that all stages of an installation share on one engine, and an attempt's own for its services."""

import fcntl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

ISOLATED = {"com.docker.network.bridge.enable_icc": "false"}


class Engine(Protocol):
    """What the engine's client does with networks."""

    def networks(self, names: list[str]) -> Sequence[dict[str, Any]]: ...

    def create_network(
        self, name: str, driver: str, options: dict[str, str], *, labels: dict[str, str]
    ) -> dict[str, Any]: ...


class Bridge:
    """Made when it is needed, by whom holds `lock`: a file that all processes of the installation on the engine's
    machine share. With ISOLATED nobody on it sees another.

    The engine gives one name to several networks when asked at once, and can use none of them then.
    """

    def __init__(
        self, engine: Engine, name: str, labels: Mapping[str, str], lock: Path, options: Mapping[str, str] = ISOLATED
    ) -> None:
        self.name = name
        self._engine, self._labels, self._lock, self._options = engine, dict(labels), lock, dict(options)

    def ensure(self) -> None:
        """Make it, unless it is there. Asked for every container: who tidies the engine clears away what is idle."""
        if self.ids():
            return
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.ids():  # made by another process meanwhile
                self._engine.create_network(self.name, "bridge", self._options, labels=self._labels)

    def ids(self) -> list[str]:
        found = self._engine.networks(names=[self.name])  # matches parts of names as well
        return [each["Id"] for each in found if each["Name"] == self.name]
