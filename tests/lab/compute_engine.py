"""A stand-in for Google's Compute Engine: it checks who signs, and lists machines by zone, in pages."""

import contextlib
import json
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from tests.lab.machines import Machine
from tests.lab.stand_in import Answer, Asked, serve

_LIST = re.compile(r"/compute/v1/projects/([^/]+)/aggregated/instances\Z")


@dataclass(slots=True)
class ComputeEngine:
    """The API of one project. `status` other than 200 is how it refuses; `unreachable`, a zone that is down."""

    machines: Sequence[Machine] = ()
    project: str = "shop-prod"
    url: str = ""
    status: int = 200
    unreachable: str = ""
    asked: list[str] = field(default_factory=list)
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def answer(self, asked: Asked) -> Answer:
        url = urllib.parse.urlsplit(asked.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if not self._is_known(asked.headers.get("Authorization") or ""):
            return _refused(401, "Invalid Credentials")
        found = _LIST.match(url.path)
        if self.status != 200 or found is None or found[1] != self.project:
            return _refused(self.status if self.status != 200 else 404, "The resource was not found")
        self.asked.append(asked.path)
        return Answer(value=self._page(query))

    def key(self) -> str:
        """A service account's key file for this API."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.project,
                "private_key_id": "1",
                "private_key": private.decode(),
                "client_email": self._account,
                "client_id": "1",
                "token_uri": f"{self.url}/token",
            }
        )

    def _is_known(self, authorization: str) -> bool:
        """The account signs a token of its own for each use: that is Google's way without asking for one."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        try:
            claims = jwt.decode(authorization.removeprefix("Bearer "), certs=public)
        except ValueError:
            return False
        return bool(claims["iss"] == self._account)

    @property
    def _account(self) -> str:
        return f"slipway@{self.project}.iam.gserviceaccount.com"

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        size, start = int(query.get("maxResults", "500")), int(query.get("pageToken", "0"))
        listed = [machine for machine in self.machines if _passes(query.get("filter", ""), machine)]
        zones: dict[str, Any] = {"zones/empty": {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "none"}}}
        for machine in listed[start : start + size]:
            zones.setdefault(f"zones/{machine.part}", {"instances": []})["instances"].append(_instance(machine))
        if self.unreachable:
            zones[f"zones/{self.unreachable}"] = {"warning": {"code": "UNREACHABLE", "message": "down"}}
        page: dict[str, Any] = {"kind": "compute#instanceAggregatedList", "id": "1", "items": zones}
        return page | ({"nextPageToken": str(start + size)} if start + size < len(listed) else {})


@contextlib.contextmanager
def compute_engine(machines: Sequence[Machine]) -> Iterator[ComputeEngine]:
    api = ComputeEngine(machines)
    with serve(api.answer) as url:
        api.url = url
        yield api


def _passes(wish: str, machine: Machine) -> bool:
    """Only exact labels, as `(labels.env = "prod") OR …` in groups joined by AND; the state is left to the asker,
    so that a client that trusts the filter alone is found out."""
    groups = [re.findall(r'labels\.([\w-]+) = "([^"]*)"', group) for group in wish.split(" AND ")]
    return all(any(machine.tags.get(name) == value for name, value in pairs) for pairs in groups if pairs)


def _instance(machine: Machine) -> dict[str, Any]:
    ways = [{"name": "External NAT", "natIP": machine.public}] if machine.public else []
    return {
        "id": str(abs(hash((machine.part, machine.name))) % 10**18),
        "name": machine.name,
        "status": "RUNNING" if machine.running else "TERMINATED",
        "labels": dict(machine.tags),
        "networkInterfaces": [{"name": "nic0", "networkIP": machine.private, "accessConfigs": ways}],
    }


def _refused(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"code": status, "message": message, "errors": [{"message": message}]}})
