"""The log of a whole deploy, which many threads write."""

import threading

from pipelines.deploys.models import Deploy
from runners.hosts.hostlog import HostLog
from runners.recorder import Batch


class DeployLog(HostLog):
    """As that of a host, but one line after the other, whoever speaks."""

    def __init__(self, deploy: Deploy, needles: frozenset[bytes]) -> None:
        super().__init__(deploy, deploy.log, needles)
        self.needles = needles
        self._guard = threading.Lock()

    def say(self, text: str) -> None:
        with self._guard:
            super().say(text)

    def _store(self, batch: Batch) -> None:
        with self._guard:
            super()._store(batch)
