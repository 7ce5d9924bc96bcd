"""A stand-in for Azure's Resource Manager and its sign-in: machines, their states and their addresses, in pages."""

import contextlib
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.machines import Machine, self_signed
from tests.lab.stand_in import Answer, Asked, serve

TENANT, CLIENT, SECRET = "7f1e0000-0000-0000-0000-000000000001", "7f1e0000-0000-0000-0000-000000000002", "lab~secret"
SUBSCRIPTION = "7f1e0000-0000-0000-0000-000000000003"
TOKEN = "eyJ.lab"
PAGE = 5


@dataclass(slots=True)
class ResourceManager:
    """`certificate` is what a client has to trust; `status` other than 200 is how it refuses."""

    machines: Sequence[Machine] = ()
    url: str = ""
    certificate: Path = Path()
    status: int = 200
    asked: list[str] = field(default_factory=list)

    @property
    def secret(self) -> str:
        return f"{TENANT}:{CLIENT}:{SECRET}"

    def answer(self, asked: Asked) -> Answer:
        url = urllib.parse.urlsplit(asked.path)
        query = {name.lower(): value for name, value in urllib.parse.parse_qsl(url.query)}
        if url.path.startswith(f"/{TENANT}/"):
            return self._sign_in(url.path, asked)
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _refused(401, "InvalidAuthenticationToken")
        if self.status != 200:
            return _refused(self.status, "AuthorizationFailed")
        self.asked.append(asked.path)
        return self._list(url.path, query)

    def _sign_in(self, path: str, asked: Asked) -> Answer:
        base = f"{self.url}/{TENANT}"
        if path.endswith("openid-configuration"):
            ends = {"authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/oauth2/v2.0/token"}
            return Answer(value={"issuer": f"{base}/v2.0", **ends})
        fields = dict(urllib.parse.parse_qsl(asked.body.decode()))
        if fields.get("client_secret") != SECRET:
            return Answer(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"})
        return Answer(value={"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def _list(self, path: str, query: dict[str, str]) -> Answer:
        kind = path.rpartition("/")[2]
        if kind == "virtualMachines":
            shape = _status if query.get("statusonly") == "true" else _machine
            return self._page(path, query, [shape(machine) for machine in self.machines])
        if kind == "networkInterfaces":
            return self._page(path, query, [_card(machine) for machine in self.machines])
        if kind == "publicIPAddresses":
            return self._page(path, query, [_public(machine) for machine in self.machines if machine.public])
        return _refused(404, "InvalidResourceType")

    def _page(self, path: str, query: dict[str, str], listed: list[dict[str, Any]]) -> Answer:
        start = int(query.get("$skiptoken", "0"))
        page: dict[str, Any] = {"value": listed[start : start + PAGE]}
        if start + PAGE < len(listed):
            more = {**query, "$skiptoken": str(start + PAGE)}
            page["nextLink"] = f"{self.url}{path}?{urllib.parse.urlencode(more)}"
        return Answer(value=page)


@contextlib.contextmanager
def resource_manager(machines: Sequence[Machine], directory: Path) -> Iterator[ResourceManager]:
    """Over TLS: Azure's client sends its token over nothing else."""
    tls, certificate = self_signed(directory)
    api = ResourceManager(machines, certificate=certificate)
    with serve(api.answer, tls=tls) as url:
        api.url = url
        yield api


def _id(machine: Machine, kind: str, suffix: str = "") -> str:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{machine.part}/providers"
    return f"{group}/{kind}/{machine.name}{suffix}"


def _machine(machine: Machine) -> dict[str, Any]:
    cards = [{"id": _id(machine, "Microsoft.Network/networkInterfaces", "-card"), "properties": {"primary": True}}]
    return {
        "id": _id(machine, "Microsoft.Compute/virtualMachines"),
        "name": machine.name,
        "location": "westeurope",
        "tags": dict(machine.tags),
        "properties": {"vmId": f"vm-{machine.part}-{machine.name}", "networkProfile": {"networkInterfaces": cards}},
    }


def _status(machine: Machine) -> dict[str, Any]:
    """In other capitals than the list of machines, as the real one does."""
    power = "PowerState/running" if machine.running else "PowerState/deallocated"
    statuses = [{"code": "ProvisioningState/succeeded"}, {"code": power}]
    return {
        "id": _id(machine, "Microsoft.Compute/virtualMachines").upper(),
        "name": machine.name,
        "location": "westeurope",
        "properties": {"instanceView": {"statuses": statuses}},
    }


def _card(machine: Machine) -> dict[str, Any]:
    way: dict[str, Any] = {"primary": True, "privateIPAddress": machine.private}
    if machine.public:
        way["publicIPAddress"] = {"id": _id(machine, "Microsoft.Network/publicIPAddresses")}
    return {
        "id": _id(machine, "Microsoft.Network/networkInterfaces", "-card"),
        "name": f"{machine.name}-card",
        "properties": {"ipConfigurations": [{"name": "one", "properties": way}]},
    }


def _public(machine: Machine) -> dict[str, Any]:
    return {
        "id": _id(machine, "Microsoft.Network/publicIPAddresses"),
        "name": machine.name,
        "properties": {"ipAddress": machine.public},
    }


def _refused(status: int, code: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": f"The client may not do this: {code}"}})
