"""What the container engine itself saw: which containers were made and started for which attempt."""

import threading
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from docker import DockerClient

from tests.lab.server import SERVER_LABEL


class EngineEvents:
    """Listens from its entry on. `made` and `started`: stage and number of the attempt → ids of containers, one for
    each time."""

    def __init__(self, engine: DockerClient, server: str) -> None:
        self.made: dict[tuple[int, int], list[str]] = defaultdict(list)
        self.started: dict[tuple[int, int], list[str]] = defaultdict(list)
        wanted = {"label": f"{SERVER_LABEL}={server}", "type": "container", "event": ["create", "start"]}
        self._stream: Any = engine.events(decode=True, filters=wanted)
        self._thread = threading.Thread(target=self._listen, name="engine events", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._thread.join(10)

    def _listen(self) -> None:
        for event in self._stream:
            labels = event["Actor"]["Attributes"]
            attempt = int(labels["slipway.stage"]), int(labels["slipway.attempt"])
            (self.made if event["Action"] == "create" else self.started)[attempt].append(event["Actor"]["ID"])
