"""What is true on a host, seen past Slipway: over HTTP, or as root in the machine itself."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.lab.fleet import PATH, Host


@dataclass(frozen=True, slots=True)
class Served:
    """What the shop answers; status 0 when nothing does."""

    status: int
    value: dict[str, Any]

    @property
    def version(self) -> str:
        return str(self.value.get("version", ""))

    @property
    def greeting(self) -> str:
        return str(self.value.get("greeting", ""))


@dataclass(frozen=True, slots=True)
class Link:
    """Where `current` points, and when it was last put there: a switch and back shows."""

    target: str
    put_at: str


def served(host: Host, path: str = "/") -> Served:
    """Ask the shop on the host."""
    try:
        with urllib.request.urlopen(host.url + path, timeout=60) as answer:
            return Served(answer.status, json.loads(answer.read()))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Served(refusal.code, json.loads(refusal.read() or b"{}"))
    except (OSError, ValueError):
        return Served(0, {})


def link(host: Host, path: str = PATH) -> Link | None:
    """The `current` link; None before the first deploy."""
    told = host.run("sh", "-c", f"readlink {path}/current && stat -c %z {path}/current || true").splitlines()
    return Link(*told) if len(told) == 2 else None


def digest(host: Host, path: str = PATH) -> str:
    """The digest that the host's marker names, once the files are those of the manifest that the build wrote."""
    host.run("sh", "-c", f"cd {path}/current && sha256sum --quiet --check MANIFEST")
    marker = host.run("cat", f"{path}/.slipway-release")
    return dict(line.partition("=")[::2] for line in marker.splitlines())["digest"]
