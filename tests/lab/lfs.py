"""A code host over HTTP: git through its own `http-backend`, and Git LFS with a batch API and a store of files."""

import base64
import contextlib
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.lab.stand_in import Answer, Asked, serve

_OBJECT = re.compile(r"/objects/(?P<oid>[0-9a-f]{64})")
_JSON = (("Content-Type", "application/vnd.git-lfs+json"),)


@dataclass(slots=True)
class LfsHost:
    """Repositories below `root`, each as `<url>/<name>.git`; nobody is answered without the token.

    `store` is where the API says that files are: this host itself, if empty. `moved` are addresses that downloads
    are sent on to.
    """

    root: Path
    token: str = "lfs-t0ken"
    url: str = ""
    store: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def add(self, content: bytes) -> str:
        """Store a file; gives the text of its pointer."""
        oid = hashlib.sha256(content).hexdigest()
        self.files[oid] = content
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        path = urlsplit(asked.path).path
        if asked.headers.get("Authorization") != self._basic:
            return Answer(401, {"message": "Credentials needed"}, headers=(("WWW-Authenticate", "Basic"), *_JSON))
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(asked)
        if match := _OBJECT.fullmatch(path):
            return self._object(match["oid"])
        return self._git(asked)

    @property
    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"x-access-token:{self.token}".encode()).decode()

    def _batch(self, asked: Asked) -> Answer:
        found = [self._place(one["oid"], one["size"]) for one in asked.json()["objects"]]
        return Answer(value={"transfer": "basic", "objects": found}, headers=_JSON)

    def _place(self, oid: str, size: int) -> dict[str, object]:
        if oid not in self.files:
            return {"oid": oid, "size": size, "error": {"code": 404, "message": "Object does not exist"}}
        href = f"{self.store or self.url}/objects/{oid}"
        return {"oid": oid, "size": size, "actions": {"download": {"href": href}}}

    def _object(self, oid: str) -> Answer:
        if oid in self.moved:
            return Answer(302, headers=(("Location", self.moved[oid]),))
        return Answer(content=self.files[oid], headers=(("Content-Type", "application/octet-stream"),))

    def _git(self, asked: Asked) -> Answer:
        url = urlsplit(asked.path)
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": asked.method,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": asked.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(asked.body)),
            "HTTP_CONTENT_ENCODING": asked.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": asked.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=asked.body, env=env, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [
            (name, value.strip()) for name, _, value in (one.partition(":") for one in head.decode().split("\r\n"))
        ]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        return Answer(status, content=content, headers=tuple(one for one in headers if one[0] != "Status"))


@contextlib.contextmanager
def lfs_host(root: Path, address: str = "127.0.0.1") -> Iterator[LfsHost]:
    """Run one until the end of the block."""
    host = LfsHost(root)
    with serve(host.answer, address) as url:
        host.url = url
        yield host
