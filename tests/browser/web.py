"""The web process, as the supervisor starts it: nothing of it is shared with the tests but database and Redis."""

import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connections

from tests.lab.ground import free_port

_START_SECONDS = 120


@dataclass(slots=True)
class Web:
    """A web process on a port of its own, that can be killed and started again. It writes to `log`."""

    redis_url: str
    log: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers; RuntimeError with its last words when it does not."""
        command = [sys.executable, "-m", "uvicorn", "server.asgi:application", "--app-dir", str(settings.BASE_DIR)]
        command += ["--port", str(self.port), "--lifespan", "off", "--no-access-log", "--log-level", "warning"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment(), stdout=log, stderr=log)
        give_up_at = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"the web process did not come up:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As kill -9 would; one that is not there is fine."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _environment(self) -> dict[str, str]:
        own = {
            "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
            "SLIPWAY_STATE_DIR": str(settings.STATE_DIR),
            "SLIPWAY_BROWSER_DATABASE": str(connections.settings["default"]["NAME"]),
            "SLIPWAY_REDIS_URL": self.redis_url,
            "SLIPWAY_URL": self.url,
        }
        return {**os.environ, **own}

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
