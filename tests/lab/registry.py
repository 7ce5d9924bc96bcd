"""A registry of images on this machine: Debian's docker-registry, open or behind a user and a password."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt

from tests.lab.ground import free_port

_START_SECONDS = 120
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIGURATION = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {directory}/blobs}}
  delete: {{enabled: true}}
http:
  addr: {host}
{auth}
"""
_AUTH = "auth:\n  htpasswd: {{realm: lab, path: {path}}}\n"


class Registry:
    """One that runs; engines take any on 127.0.0.0/8 without TLS."""

    def __init__(self, directory: Path, username: str = "", password: str = "") -> None:
        self.host = f"127.0.0.1:{free_port()}"
        self._username, self._password = username, password
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("docker-registry") or "/usr/bin/docker-registry"
        configuration = self._directory / "registry.yml"
        configuration.write_text(_CONFIGURATION.format(directory=self._directory, host=self.host, auth=self._auth()))
        with (self._directory / "registry.log").open("wb") as log:
            self._process = subprocess.Popen([program, "serve", str(configuration)], stdout=log, stderr=log)
        give_up_at = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._directory / "registry.log").read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def digest(self, repository: str, tag: str) -> str | None:
        """By which the registry knows an image, `sha256:…`; None when it has none of the name."""
        try:
            with self._ask(f"/v2/{repository}/manifests/{tag}") as answer:
                found: str = answer.headers["Docker-Content-Digest"]
                return found
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def configuration(self, repository: str, tag: str) -> Any:
        """What an image says of itself: labels, variables, layers' history."""
        with self._ask(f"/v2/{repository}/manifests/{tag}") as answer:
            digest = json.load(answer)["config"]["digest"]
        with self._ask(f"/v2/{repository}/blobs/{digest}") as answer:
            return json.load(answer)

    def _auth(self) -> str:
        if not self._username:
            return ""
        path = self._directory / "htpasswd"
        hashed = bcrypt.hashpw(self._password.encode(), bcrypt.gensalt(4)).decode()
        path.write_text(f"{self._username}:{hashed}\n")
        return _AUTH.format(path=path)

    def _answers(self) -> bool:
        try:
            self._ask("/v2/").close()
        except OSError:
            return False
        return True

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(f"http://{self.host}{path}", headers={"Accept": _MANIFEST})
        if self._username:
            told = b64encode(f"{self._username}:{self._password}".encode()).decode()
            request.add_header("Authorization", f"Basic {told}")
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)


@contextlib.contextmanager
def registry(directory: Path, username: str = "", password: str = "") -> Iterator[Registry]:
    """A registry for as long as the block takes."""
    directory.mkdir(parents=True, exist_ok=True)
    one = Registry(directory, username, password)
    try:
        one.start()
        yield one
    finally:
        one.stop()
